//! Programs that tests start in a process of their own. They tell on the standard error output what became of them.

use anyio::{
    Backend, Builder, Error, Result, fail_after,
    net::{TcpListener, TcpStream},
    sleep, task_group, to_thread,
};
use log::{LevelFilter, Log, Metadata, Record};
use std::{
    env, io,
    time::{Duration, Instant},
};

/// Runs the program that the environment names; nothing if it names none.
#[test]
#[ignore = "other tests start it"]
fn program() {
    let Ok(name) = env::var("TEST_PROGRAM") else { return };
    log::set_logger(&Lines).expect("there is no other logger");
    log::set_max_level(LevelFilter::Info);
    let builder = match env::var("TEST_PROGRAM_BACKEND") {
        Ok(backend) => Builder::new().backend(backend.parse().expect("the test names a back end")),
        Err(_) => Builder::new(),
    };
    match &*name {
        "everything" => tell(builder.run(async || do_everything().await)),
        "twice" => {
            tell(builder.run(async || do_everything().await));
            tell(builder.run(async || do_everything().await));
        }
        "cores" => match builder.run_on_cores(3, async |_| -> Result<_> { do_everything().await }) {
            Ok(backends) => {
                for backend in backends.expect("no core was cancelled") {
                    eprintln!("ran: {backend}");
                }
            }
            Err(errors) => errors.iter().for_each(|error| eprintln!("error: {error}")),
        },
        "diagnosis" => eprintln!("{}", anyio::doctor::examine()),
        _ => panic!("there is no program called {name}"),
    }
}

fn tell(ended: io::Result<Result<Backend>>) {
    match ended {
        Ok(done) => eprintln!("ran: {}", done.expect("the program works")),
        Err(error) => eprintln!("error: {error}"),
    }
}

/// Something of each sort, and the back end on which it was done.
async fn do_everything() -> Result<Backend> {
    fail_after(Duration::from_secs(20), async {
        echo_over_tcp().await?;
        sleep_a_little().await?;
        assert_eq!(to_thread::run_sync(|| 6 * 7).await?, 42);
        Ok::<_, Error>(())
    })
    .await?;
    Ok(anyio::current_backend().expect("this is within a run"))
}

async fn echo_over_tcp() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let stream = listener.accept().await?;
            while let Some(chunk) = stream.receive().await? {
                stream.send(chunk).await?;
            }
            stream.close().await
        });
        let stream = TcpStream::connect(address).await?;
        stream.send("hello").await?;
        let mut echoed = Vec::new();
        while echoed.len() < 5 {
            echoed.extend_from_slice(&stream.receive().await?.ok_or(Error::EndOfStream)?);
        }
        assert_eq!(echoed, b"hello");
        stream.close().await
    })
    .await?;
    Ok(())
}

async fn sleep_a_little() -> Result<()> {
    let begun = Instant::now();
    sleep(Duration::from_millis(2)).await?;
    assert!(begun.elapsed() >= Duration::from_millis(2));
    Ok(())
}

/// A logger that writes lines for the test to read.
struct Lines;

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        eprintln!("log: {} {}: {}", record.level(), record.target(), record.args());
    }

    fn flush(&self) {}
}
