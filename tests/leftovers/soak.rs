//! Everything at once for a long time, with random cancellations, on an operating system that does all that it may.

use crate::peers::{Random, byte_at, lock, open_descriptors};
use anyio::{
    Builder, Error, Result, fs, lowlevel, move_on_after,
    net::{TcpListener, TcpStream},
    process, sleep,
    sync::Semaphore,
    task_group,
    testing::{chaos::Chaos, test_backends},
};
use std::{
    cell::{Cell, RefCell},
    fmt,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

/// How long it goes on for on each back end, if `ANYIO_SOAK_SECONDS` does not say.
const SECONDS: u64 = 5;

/// How often it is looked whether anything was left, after the first time.
const LOOKS: u32 = 10;

/// Tasks of a round.
const TASKS: u64 = 40;

#[derive(Default)]
struct Counts {
    echoes: Cell<u64>,
    bytes: Cell<u64>,
    files: Cell<u64>,
    processes: Cell<u64>,
    cancelled: Cell<u64>,
    failed: Cell<u64>,
}

fn add(count: &Cell<u64>, number: u64) {
    count.set(count.get() + number);
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { echoes, bytes, files, processes, cancelled, failed } = self;
        write!(
            f,
            "{} echoes of {} bytes, {} files, {} processes, {} cancelled, {} failed",
            echoes.get(),
            bytes.get(),
            files.get(),
            processes.get(),
            cancelled.get(),
            failed.get()
        )
    }
}

/// What must be level.
#[derive(Debug, Clone, Copy)]
struct Level {
    /// Of the process, in KiB.
    memory: u64,
    descriptors: usize,
    waits: usize,
}

fn resident_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse().unwrap()
}

/// Waits until as much is in use as was before, or for 10 seconds.
async fn level(before: Option<Level>) -> Result<Level> {
    let limit = Instant::now() + Duration::from_secs(10);
    let pause = Duration::from_millis(if before.is_some() { 20 } else { 1_000 });
    loop {
        sleep(pause).await?;
        let statistics = lowlevel::statistics();
        let now = Level {
            memory: resident_memory(),
            descriptors: open_descriptors(),
            waits: statistics.waits + statistics.orphaned_operations,
        };
        let is_level =
            before.is_some_and(|before| now.descriptors <= before.descriptors && now.waits <= before.waits);
        if is_level || before.is_none() || Instant::now() > limit {
            return Ok(now);
        }
    }
}

async fn echo(stream: TcpStream) -> Result<()> {
    while let Some(chunk) = stream.receive().await? {
        stream.send(chunk).await?;
    }
    stream.close().await
}

async fn echoes(address: SocketAddr, length: u64, counts: &Counts) -> Result<()> {
    let client = TcpStream::connect(address).await?;
    client.send((0..length).map(byte_at).collect::<Vec<_>>()).await?;
    client.send_eof().await?;
    let mut position = 0;
    while let Some(chunk) = client.receive().await? {
        for &byte in &*chunk {
            assert_eq!(byte, byte_at(position), "byte {position} of an echo of {length}");
            position += 1;
        }
    }
    // A server that has been given no more, or was reset, sends a part.
    assert!(position <= length);
    add(&counts.echoes, u64::from(position == length));
    add(&counts.bytes, position);
    client.close().await
}

async fn file(folder: &Path, number: u64, counts: &Counts) -> Result<()> {
    let path = folder.join(number.to_string());
    let written: Vec<u8> = (number..number + 20_000).map(byte_at).collect();
    fs::write(&path, written.clone()).await?;
    assert!(fs::read(&path).await? == written, "what was written is read");
    fs::remove_file(&path).await?;
    add(&counts.files, 1);
    Ok(())
}

async fn process(counts: &Counts) -> Result<()> {
    let ended = process::run(["echo", "said"]).await?;
    assert_eq!(ended.stdout.unwrap_or_default(), b"said\n");
    add(&counts.processes, 1);
    Ok(())
}

/// Tasks that do all kinds of things, each with a time limit that may be too short.
async fn round(address: SocketAddr, folder: &Path, random: &RefCell<Random>, counts: &Counts) -> Result<()> {
    let below = |bound| random.borrow_mut().below(bound);
    let permits = &Semaphore::new(10);
    let limit = Duration::from_micros(below(400_000));
    let ended = move_on_after(limit, async {
        task_group(async |tg| -> Result<()> {
            for _ in 0..TASKS {
                let (kind, size, number) = (below(40), below(32_768), below(u64::MAX >> 8));
                let limit = Duration::from_micros(below(200_000));
                tg.start_soon(async move {
                    let act = async {
                        let _permit = permits.acquire().await?;
                        match kind {
                            0 => process(counts).await,
                            1..15 => file(folder, number, counts).await,
                            _ => echoes(address, size, counts).await,
                        }
                    };
                    match move_on_after(limit, act).await {
                        Ok(Some(())) => {}
                        Ok(None) => add(&counts.cancelled, 1),
                        Err(error @ Error::Cancelled(_)) => {
                            add(&counts.cancelled, 1);
                            return Err(error);
                        }
                        Err(_) => add(&counts.failed, 1),
                    }
                    anyio::Ok(())
                });
            }
            Ok(())
        })
        .await
    })
    .await?;
    add(&counts.cancelled, u64::from(ended.is_none()));
    Ok(())
}

async fn soak(time: Duration, counts: &Counts) -> Result<(Level, Level)> {
    let folder = tempfile::tempdir()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let random = RefCell::new(Random::new(1));
    let mut levels = None;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Ok(listener.serve(echo).await.map(drop)?) });
        let mut first = None;
        for _ in 0..=LOOKS {
            let until = Instant::now() + time / (LOOKS + 1);
            while Instant::now() < until {
                round(address, folder.path(), &random, counts).await?;
            }
            // The first time is the one with which the others are compared: pools have filled until then.
            let now = level(first).await?;
            println!("{now:?}, {counts}");
            levels = Some((*first.get_or_insert(now), now));
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(levels.expect("there is a first time"))
}

#[test]
#[ignore = "it takes as long as ANYIO_SOAK_SECONDS says"]
fn everything_at_once_for_a_long_time_leaves_nothing() {
    let _lock = lock();
    let seconds = std::env::var("ANYIO_SOAK_SECONDS").map_or(SECONDS, |text| text.parse().unwrap());
    for backend in test_backends() {
        let (counts, chaos) = (Counts::default(), Chaos::seed(1));
        let builder = Builder::new().backend(backend).chaos(chaos.clone()).shuffle(1);
        let run = builder.run(async || soak(Duration::from_secs(seconds), &counts).await);
        println!("{backend}: {}", chaos.report());
        let (first, last) = run.unwrap().unwrap();
        assert!(last.descriptors <= first.descriptors, "{first:?}, {last:?}");
        assert!(last.waits <= first.waits, "{first:?}, {last:?}");
        // Memory of the allocator is not given back exactly.
        assert!(last.memory <= first.memory + first.memory / 4, "{first:?}, {last:?}");
        assert!(counts.echoes.get() > 0 && counts.files.get() > 0 && counts.cancelled.get() > 0, "{counts}");
    }
}
