//! Disks and peers that are slow, on a virtual clock.

use crate::peers::poll_once;
use anyio::{
    Builder, Clock, Result, current_time,
    fs::File,
    move_on_after,
    net::{TcpListener, TcpStream},
    task_group,
    testing::{
        chaos::{Action, Chaos, Fault, OpKind},
        test_backends,
    },
};
use std::{
    path::Path,
    time::{Duration, Instant},
};

const HOUR: Duration = Duration::from_secs(3600);
const MINUTE: Duration = Duration::from_secs(60);

/// Runs a program on each back end, on a virtual clock that waits for sockets as long as it takes.
fn run(chaos: impl Fn() -> Chaos, program: impl AsyncFn(&Path) -> Result<()>) {
    for backend in test_backends() {
        let (folder, chaos) = (tempfile::tempdir().unwrap(), chaos());
        std::fs::write(folder.path().join("file"), "what the file has").unwrap();
        Builder::new()
            .backend(backend)
            .clock(Clock::Virtual)
            .autojump_threshold(MINUTE)
            .chaos(chaos.clone())
            .run(async || program(&folder.path().join("file")).await)
            .unwrap()
            .unwrap_or_else(|error| panic!("on {backend}: {error}"));
        assert!(chaos.report().count(Fault::Slow) > 0);
    }
}

/// A disk with which everything takes an hour.
fn slow_disk() -> Chaos {
    Chaos::none().slow_disk(1.0).slowness(HOUR..=HOUR)
}

/// How long something takes on the clock of the run.
async fn time_of<T>(work: impl Future<Output = T>) -> (Duration, T) {
    let begun = current_time();
    let result = work.await;
    (current_time() - begun, result)
}

/// Whether this process has the file open.
fn is_open(path: &Path) -> bool {
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .flatten()
        .any(|descriptor| std::fs::read_link(descriptor.path()).is_ok_and(|target| target == path))
}

#[test]
fn a_file_is_closed_although_a_read_of_it_was_forgotten() {
    for write in [false, true] {
        run(slow_disk, async |path| {
            let file = File::options().read(true).write(write).open(path).await?;
            let mut read = Box::pin(file.read_at(vec![0; 4], 0));
            assert!(poll_once(read.as_mut()).await.is_pending());
            std::mem::forget(read);
            assert!(is_open(path));
            file.close().await?;
            assert!(!is_open(path), "writable: {write}");
            Ok(())
        });
    }
}

#[test]
fn a_time_out_around_a_slow_read_passes_exactly_and_the_read_can_be_done_again() {
    let begun = Instant::now();
    run(slow_disk, async |path| {
        let (time, file) = time_of(File::open(path)).await;
        assert_eq!(time, HOUR);
        let mut file = file?;
        let read = async { file.read(Vec::with_capacity(100)).await.0 };
        let (time, read) = time_of(move_on_after(MINUTE, read)).await;
        assert_eq!((time, read?), (MINUTE, None));
        let (time, (result, bytes)) = time_of(file.read(Vec::with_capacity(100))).await;
        assert_eq!((time, result?, &*bytes), (HOUR, 17, &b"what the file has"[..]));
        Ok(())
    });
    assert!(begun.elapsed() < HOUR, "no hour has passed");
}

#[test]
fn a_slow_write_that_has_begun_is_awaited_to_its_end() {
    run(slow_disk, async |path| {
        let mut file = File::options().write(true).open(path).await?;
        let write = async { file.write_all(b"WHAT".to_vec()).await.0 };
        let (time, _written) = time_of(move_on_after(MINUTE, write)).await;
        assert_eq!(time, HOUR);
        let (time, closed) = time_of(file.close()).await;
        assert_eq!(time, Duration::ZERO, "closing is no operation");
        closed?;
        assert_eq!(std::fs::read(path)?, b"WHAT the file has");
        Ok(())
    });
}

#[test]
fn a_slow_disk_holds_up_nobody_but_who_waits_for_it() {
    run(slow_disk, async |path| {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let begun = current_time();
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                let (time, contents) = time_of(anyio::fs::read(path)).await;
                assert_eq!(contents?, b"what the file has");
                assert!(time >= 2 * HOUR, "it was opened and read: {time:?}");
                Ok(())
            });
            let client = TcpStream::connect(listener.local_addr()?).await?;
            let server = listener.accept().await?;
            for number in 0..100 {
                let text = format!("number {number}");
                client.send(text.clone()).await?;
                let mut received = Vec::new();
                while received.len() < text.len() {
                    received.extend_from_slice(&server.receive().await?.expect("it is open"));
                }
                assert_eq!(received, text.as_bytes());
            }
            assert_eq!(current_time(), begun, "the network is as fast as ever");
            Ok(())
        })
        .await?;
        assert!(current_time() >= begun + 2 * HOUR);
        Ok(())
    });
}

#[test]
fn a_slow_network_takes_its_time_exactly() {
    let slow_network = || Chaos::none().slow_network(1.0).slowness(MINUTE..=MINUTE);
    run(slow_network, async |_| {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (time, client) = time_of(TcpStream::connect(listener.local_addr()?)).await;
        assert_eq!(time, MINUTE);
        let (client, server) = (client?, listener.accept().await?);
        let (time, received) = time_of(move_on_after(MINUTE / 2, server.receive())).await;
        assert_eq!((time, received?.is_none()), (MINUTE / 2, true));
        let (time, sent) = time_of(client.send("hello")).await;
        sent?;
        assert_eq!(time, MINUTE);
        // This receive was begun before, as a stream keeps it.
        let (time, received) = time_of(server.receive()).await;
        assert_eq!((time, &*received?.expect("it is open")), (Duration::ZERO, &b"hello"[..]));
        Ok(())
    });
}

#[test]
fn rules_say_what_is_slow_and_the_same_seed_takes_the_same_time() {
    let third_is_slow = || {
        Chaos::none().rule(|submission| {
            (submission.kind == OpKind::Synchronize && submission.number == 3).then_some(Action::Slow(HOUR))
        })
    };
    run(third_is_slow, async |path| {
        let file = File::options().write(true).open(path).await?;
        for number in 1..=4 {
            let (time, result) = time_of(file.sync_data()).await;
            result?;
            assert_eq!(time, if number == 3 { HOUR } else { Duration::ZERO });
        }
        Ok(())
    });
    let times = |seed| {
        let times = std::cell::RefCell::new(Vec::new());
        run(
            || Chaos::none().reseed(seed).slow_disk(0.5),
            async |path| {
                let file = File::options().write(true).open(path).await?;
                for _ in 0..10 {
                    let (time, result) = time_of(file.sync_data()).await;
                    times.borrow_mut().push(time);
                    result?;
                }
                Ok(())
            },
        );
        times.into_inner()
    };
    assert_eq!(times(1), times(1));
    assert_ne!(times(1), times(2));
}
