//! Programs on an operating system that does all that it may.

use anyio::{
    Builder, Clock, Error, Path, Result,
    net::{TcpListener, TcpStream, UdpSocket, UnixStream},
    sleep, task_group,
    tempfile::TemporaryDirectory,
    testing::{
        chaos::{Action, Chaos, Fault, Missed, OpKind, fail_each},
        test_backends,
    },
};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Bytes of which each stands for its place.
fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32).map(|place| (place.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

async fn receive_all(stream: &TcpStream) -> Result<Vec<u8>> {
    let mut received = Vec::new();
    while let Some(chunk) = stream.receive().await? {
        received.extend_from_slice(&chunk);
    }
    Ok(received)
}

/// Sends through a server that gives everything back, and through a file.
async fn there_and_back(length: usize) -> Result<()> {
    let (listener, data) = (TcpListener::bind("127.0.0.1:0").await?, pattern(length));
    let address = listener.local_addr()?;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let stream = listener.accept().await?;
            while let Some(chunk) = stream.receive().await? {
                stream.send(chunk).await?;
            }
            stream.close().await
        });
        let client = TcpStream::connect(address).await?;
        let received = task_group(async |tg| -> Result<Vec<u8>> {
            tg.start_soon(async {
                client.send(data.clone()).await?;
                client.send_eof().await
            });
            receive_all(&client).await
        })
        .await?;
        let received = received.expect("nothing was cancelled");
        assert!(received == data, "{} of {} bytes came back", received.len(), data.len());
        Ok(())
    })
    .await?;
    let folder = TemporaryDirectory::new().await?;
    let path = folder.path().join("data");
    path.write_bytes(data.clone()).await?;
    assert!(path.read_bytes().await? == data);
    Ok(())
}

#[test]
fn no_byte_is_lost_whatever_the_system_does() {
    for backend in test_backends() {
        let mut seen = Vec::new();
        for seed in 0..6 {
            let chaos = Chaos::seed(seed).unnoticed();
            Builder::new()
                .backend(backend)
                .chaos(chaos.clone())
                .shuffle(seed)
                .run(async || there_and_back(300_000).await)
                .unwrap()
                .unwrap_or_else(|error| panic!("seed {seed} on {backend}: {error}"));
            seen.push(chaos.report());
        }
        for fault in [Fault::Short, Fault::Late, Fault::Interrupted] {
            assert!(seen.iter().any(|report| report.count(fault) > 0), "{fault} on {backend}");
        }
        assert!(seen.iter().all(|report| report.count(Fault::Error) + report.count(Fault::Reset) == 0));
    }
}

/// Many streams at once, so that receives go on by themselves where the system can do that.
async fn many_streams() -> Result<()> {
    task_group(async |tg| -> Result<()> {
        for number in 0..120 {
            tg.start_soon(async move {
                let (one, other) = UnixStream::pair()?;
                task_group(async |tg| -> Result<()> {
                    tg.start_soon(async {
                        for part in 0..5 {
                            one.send(format!("{number} {part}\n")).await?;
                            sleep(Duration::from_millis(1)).await?;
                        }
                        one.close().await
                    });
                    let mut text = Vec::new();
                    while let Some(chunk) = other.receive().await? {
                        text.extend_from_slice(&chunk);
                    }
                    let expected: String = (0..5).map(|part| format!("{number} {part}\n")).collect();
                    assert_eq!(String::from_utf8(text).unwrap(), expected);
                    Ok(())
                })
                .await?;
                anyio::Ok(())
            });
        }
        Ok(())
    })
    .await?;
    Ok(())
}

async fn datagrams() -> Result<()> {
    let (one, other) = (UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?);
    for number in 0..100u32 {
        one.send_to(number.to_string(), other.local_addr()?).await?;
        let datagram = other.receive().await?;
        assert_eq!((&*datagram.data, datagram.from), (number.to_string().as_bytes(), one.local_addr()?));
    }
    Ok(())
}

#[test]
fn receives_that_end_or_find_no_buffer_are_begun_again() {
    for backend in test_backends() {
        let chaos = |seed| Chaos::none().reseed(seed).rate(Fault::Ended, 0.6).rate(Fault::NoBuffers, 0.4);
        for seed in 0..3 {
            // What older kernels do not do cannot be disturbed.
            let (repeats, chooses) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
            let seen = (repeats.clone(), chooses.clone());
            let chaos = chaos(seed).rule(move |submission| {
                let is = |kind: OpKind| submission.kind == kind;
                let is_repeated = is(OpKind::ReceiveMultishot) || is(OpKind::ReceiveMessages);
                seen.0.fetch_or(is_repeated, Ordering::Relaxed);
                seen.1.fetch_or(is_repeated || is(OpKind::ReceivePooled), Ordering::Relaxed);
                None
            });
            let run = Builder::new().backend(backend).chaos(chaos.clone()).run(async || {
                many_streams().await?;
                datagrams().await
            });
            match run {
                Ok(result) => result.unwrap_or_else(|error| panic!("seed {seed} on {backend}: {error}")),
                // Where nothing goes on by itself, nothing is made to end; the rest has passed all the same.
                Err(error) => assert!(
                    is_missed(&error)
                        && (backend == anyio::Backend::Poll || !repeats.load(Ordering::Relaxed)),
                    "seed {seed} on {backend}: {error}"
                ),
            }
            let report = chaos.report();
            let count = report.count(Fault::NoBuffers);
            assert!(count > 10 || !chooses.load(Ordering::Relaxed), "{count} with seed {seed} on {backend}");
        }
    }
}

fn is_missed(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Missed>())
}

#[test]
fn what_was_asked_for_and_has_not_happened_fails_the_run() {
    for backend in test_backends() {
        let builder = Builder::new().backend(backend);
        let run = |chaos: Chaos| builder.clone().chaos(chaos).run(async || there_and_back(10).await);
        let error = run(Chaos::none().fail(OpKind::Accept, 2, libc::EMFILE)).unwrap_err();
        assert!(is_missed(&error), "{error}");
        assert!(error.to_string().contains("accept number 2"), "{error}");
        assert!(is_missed(&run(Chaos::none().rate(Fault::LateCancel, 1.0)).unwrap_err()));
        run(Chaos::none().fail(OpKind::Connect, 1, libc::ETIMEDOUT)).unwrap().unwrap_err();
        run(Chaos::none()).unwrap().unwrap();
    }
}

/// Replaces a file's contents, or leaves it alone.
async fn replace(path: &Path, text: &str) -> Result<()> {
    let new = path.with_suffix(".new")?;
    let written = async {
        new.write_text(text).await?;
        new.rename(path.clone()).await.map(drop)
    };
    if let Err(error) = written.await {
        new.unlink_if_exists().await?;
        return Err(error);
    }
    Ok(())
}

#[test]
fn each_operation_of_a_kind_can_be_made_to_fail_in_turn() {
    for backend in test_backends() {
        for (kind, error) in
            [(OpKind::Write, libc::ENOSPC), (OpKind::Rename, libc::EIO), (OpKind::Open, libc::EMFILE)]
        {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("settings");
            std::fs::write(&file, "old").unwrap();
            let mut left = Vec::new();
            let count = fail_each(
                &Builder::new().backend(backend),
                kind,
                error,
                async || replace(&Path::new(&file), "new").await,
                |failed, result| {
                    let expected = if failed.is_some() { "old" } else { "new" };
                    assert_eq!(
                        (result.is_err(), &*std::fs::read_to_string(&file).unwrap()),
                        (failed.is_some(), expected)
                    );
                    left.push(std::fs::read_dir(folder.path()).unwrap().count());
                },
            )
            .unwrap();
            assert!(count >= 1, "{kind:?} on {backend}");
            assert!(left.iter().all(|&count| count == 1), "nothing half-done is left: {left:?}");
        }
    }
}

#[test]
fn a_server_goes_on_when_accepting_fails_and_connections_are_reset() {
    for backend in test_backends() {
        let chaos = Chaos::none()
            .fail(OpKind::Accept, 1, libc::ECONNABORTED)
            .fail(OpKind::Accept, 2, libc::EMFILE)
            .rate(Fault::Reset, 1.0)
            .rule(|submission| {
                (submission.kind == OpKind::Accept && submission.number > 4).then_some(Action::Spare)
            });
        Builder::new()
            .backend(backend)
            .chaos(chaos.clone())
            .run(async || -> Result<()> {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                let address = listener.local_addr()?;
                task_group(async |tg| -> Result<()> {
                    tg.start_soon(async {
                        // Until it is cancelled.
                        let _ended = listener
                            .serve(async |stream: TcpStream| -> Result<()> {
                                while let Some(chunk) = stream.receive().await? {
                                    stream.send(chunk).await?;
                                }
                                Ok(())
                            })
                            .await;
                        anyio::Ok(())
                    });
                    let mut lost = 0;
                    loop {
                        let client = TcpStream::connect(address).await?;
                        let answer = async {
                            client.send("hello").await?;
                            client.receive().await
                        };
                        match answer.await {
                            Ok(Some(text)) => break assert_eq!(&*text, b"hello"),
                            Ok(None) | Err(Error::BrokenResource(_)) => lost += 1,
                            Err(error) => return Err(error),
                        }
                    }
                    assert_eq!(lost, 2, "on {backend}");
                    tg.cancel();
                    Ok(())
                })
                .await?;
                Ok(())
            })
            .unwrap()
            .unwrap();
        assert_eq!(chaos.report().count(Fault::Reset), 2);
    }
}

#[test]
fn runs_of_the_same_seed_are_the_same() {
    for backend in test_backends() {
        let run = |seed| {
            let chaos = Chaos::seed(seed).unnoticed();
            Builder::new()
                .backend(backend)
                .clock(Clock::Virtual)
                .chaos(chaos.clone())
                .run(async || -> Result<()> {
                    // One thing after the other, since nothing else decides when the kernel is done.
                    let folder = TemporaryDirectory::new().await?;
                    for number in 0..40 {
                        let path = folder.path().join(number.to_string());
                        path.write_bytes(pattern(100 * number)).await?;
                        sleep(Duration::from_secs(1)).await?;
                        assert_eq!(path.read_bytes().await?.len(), 100 * number);
                    }
                    folder.close().await
                })
                .unwrap()
                .unwrap();
            chaos.report()
        };
        // What a thread knows of the devices of files it has learnt then.
        run(0);
        let (one, same, other) = (run(1), run(1), run(2));
        assert_eq!(one, same, "on {backend}");
        assert_ne!(one.fingerprint(), other.fingerprint());
        assert!(one.decisions().len() > 10);
    }
}
