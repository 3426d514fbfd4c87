//! Each kind of wait, while its scope changes: before it begins, while it lasts, and as what is waited for comes.

use anyio::{
    CancelScope, Path, Result, cross, fail_after,
    fs::File,
    lowlevel::{checkpoint, wait_readable},
    net::{TcpListener, TcpStream, UdpSocket, UnixStream},
    process::{self, Command},
    streams::memory,
    sync::{Event, Semaphore},
    testing::wait_all_tasks_blocked,
};
use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    io::{self, Read, Write},
    os::fd::OwnedFd,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    task::Poll,
    thread,
    time::Duration,
};

/// So long a wait may take for what has come.
const LIMIT: Duration = Duration::from_secs(30);

/// What happens to the scope of a wait, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Situation {
    /// It is cancelled, and what is to be waited for is there.
    CancelledBefore,
    CancelledMeanwhile,
    /// First it is cancelled, and then what is waited for comes, before anybody has looked.
    CancelledAsItComes,
    /// The same, some time later.
    CancelledUntilItComes,
    CancelledWhenItHasCome,
    ItsTimeIsUp,
    /// The wait began outside of it, and is polled in it after it was cancelled.
    EnteredCancelled,
    /// The wait began within it, is polled outside, and then it is cancelled.
    LeftAndCancelled,
    /// One around it is cancelled, and it is shielded before anybody has looked.
    Shielded,
    /// The same, when the wait has ended for that.
    ShieldedLate,
    /// It is within a cancelled one, and its shield goes.
    Bared,
}

/// What a wait has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    /// It has got what it waited for.
    Taken,
    /// What is waited for is there.
    NotTaken,
    /// It has not come.
    Not,
}

async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

async fn settle() {
    for _ in 0..2 {
        wait_all_tasks_blocked().await.unwrap();
    }
}

/// Begins to wait, and goes on when the system knows of it.
async fn begin<F: Future>(mut future: Pin<&mut F>) {
    assert!(poll_once(future.as_mut()).await.is_pending(), "there is nothing yet");
    settle().await;
}

impl Situation {
    const ALL: [Self; 11] = [
        Self::CancelledBefore,
        Self::CancelledMeanwhile,
        Self::CancelledAsItComes,
        Self::CancelledUntilItComes,
        Self::CancelledWhenItHasCome,
        Self::ItsTimeIsUp,
        Self::EnteredCancelled,
        Self::LeftAndCancelled,
        Self::Shielded,
        Self::ShieldedLate,
        Self::Bared,
    ];

    /// Waits in this situation.
    async fn try_on<W>(
        self,
        waiter: &mut W,
        wait: impl AsyncFn(&mut W) -> Result<()>,
        bring: impl FnOnce(),
    ) -> Result<Came> {
        let scope = match self {
            Self::ItsTimeIsUp => CancelScope::new().with_timeout(Duration::from_millis(1)),
            Self::Bared => CancelScope::new().shielded(),
            _ => CancelScope::new(),
        };
        let outer = CancelScope::new();
        match self {
            Self::CancelledBefore => {
                bring();
                scope.cancel();
                assert_eq!(scope.run(async || wait(waiter).await).await?, None);
                Ok(Came::NotTaken)
            }
            Self::CancelledMeanwhile | Self::ItsTimeIsUp => {
                let mut waiting = pin!(scope.run(async || wait(waiter).await));
                begin(waiting.as_mut()).await;
                if self == Self::CancelledMeanwhile {
                    scope.cancel();
                }
                assert_eq!(waiting.await?, None);
                Ok(Came::Not)
            }
            Self::CancelledAsItComes | Self::CancelledUntilItComes | Self::CancelledWhenItHasCome => {
                let mut waiting = pin!(scope.run(async || wait(waiter).await));
                begin(waiting.as_mut()).await;
                if self == Self::CancelledWhenItHasCome {
                    bring();
                    scope.cancel();
                } else {
                    scope.cancel();
                    if self == Self::CancelledUntilItComes {
                        checkpoint().await?;
                    }
                    bring();
                }
                Ok(waiting.await?.map_or(Came::NotTaken, |()| Came::Taken))
            }
            Self::EnteredCancelled => {
                let mut waiting = pin!(wait(waiter));
                begin(waiting.as_mut()).await;
                scope.cancel();
                assert_eq!(scope.run(async || waiting.await).await?, None);
                Ok(Came::Not)
            }
            Self::LeftAndCancelled => {
                let waiting = RefCell::new(Box::pin(wait(waiter)));
                let poll = || poll_fn(|cx| waiting.borrow_mut().as_mut().poll(cx));
                let mut within = pin!(scope.run(async || poll().await));
                begin(within.as_mut()).await;
                begin(pin!(poll())).await;
                scope.cancel();
                begin(pin!(poll())).await;
                bring();
                poll().await?;
                Ok(Came::Taken)
            }
            Self::Shielded | Self::ShieldedLate => {
                let mut waiting = pin!(outer.run(async || scope.run(async || wait(waiter).await).await));
                begin(waiting.as_mut()).await;
                outer.cancel();
                if self == Self::ShieldedLate {
                    settle().await;
                }
                scope.set_shield(true);
                begin(waiting.as_mut()).await;
                bring();
                assert_eq!(waiting.await?, Some(Some(())));
                Ok(Came::Taken)
            }
            Self::Bared => {
                let mut waiting = pin!(outer.run(async || scope.run(async || wait(waiter).await).await));
                outer.cancel();
                begin(waiting.as_mut()).await;
                scope.set_shield(false);
                assert_eq!(waiting.await?, None);
                Ok(Came::Not)
            }
        }
    }
}

/// Tries a kind of wait in each situation. What comes is there for one wait at least, unless it was taken, and what a
/// situation leaves behind does not reach the next wait.
async fn heeds_its_scope<W, B>(
    make: impl AsyncFn() -> (W, B),
    wait: impl AsyncFn(&mut W) -> Result<()>,
    bring: impl Fn(&mut B),
) {
    for situation in Situation::ALL {
        let (mut waiter, mut bringer) = make().await;
        let tried = fail_after(LIMIT, async {
            let came = situation.try_on(&mut waiter, &wait, || bring(&mut bringer)).await?;
            if came == Came::NotTaken {
                wait(&mut waiter).await?;
            }
            let mut next = pin!(wait(&mut waiter));
            // What comes once and for all is there already.
            if poll_once(next.as_mut()).await.is_pending() {
                settle().await;
                bring(&mut bringer);
                next.await?;
            }
            anyio::Ok(())
        });
        if let Err(error) = tried.await {
            panic!("{situation:?}: {error}");
        }
    }
}

fn unix() -> (UnixStream, std::os::unix::net::UnixStream) {
    let (one, other) = std::os::unix::net::UnixStream::pair().unwrap();
    (UnixStream::from_owned(one.into()).unwrap(), other)
}

fn write_one(peer: &mut impl Write) {
    assert_eq!(peer.write(b"x").unwrap(), 1);
}

#[anyio::test]
async fn a_receive_heeds_its_scope() {
    heeds_its_scope(
        async || unix(),
        async |stream| {
            assert_eq!(stream.receive().await?.unwrap(), "x");
            Ok(())
        },
        write_one,
    )
    .await;
}

#[anyio::test]
async fn a_receive_into_a_buffer_heeds_its_scope() {
    heeds_its_scope(
        async || unix(),
        async |stream| {
            let (result, buffer) = stream.receive_into(Vec::with_capacity(1)).await;
            assert_eq!((result?, &*buffer), (1, &b"x"[..]));
            Ok(())
        },
        write_one,
    )
    .await;
}

#[anyio::test]
async fn a_read_from_a_pipe_heeds_its_scope() {
    heeds_its_scope(
        async || {
            let (reader, writer) = io::pipe().unwrap();
            (File::from(OwnedFd::from(reader)), writer)
        },
        async |file| {
            let (result, buffer) = file.read(vec![0; 1]).await;
            assert_eq!((result?, &*buffer), (1, &b"x"[..]));
            Ok(())
        },
        write_one,
    )
    .await;
}

#[anyio::test]
async fn a_receive_of_datagrams_heeds_its_scope() {
    heeds_its_scope(
        async || {
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let peer = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            peer.connect(socket.local_addr().unwrap()).unwrap();
            (socket, peer)
        },
        async |socket| {
            assert_eq!(socket.receive().await?.data, "x");
            Ok(())
        },
        |peer| assert_eq!(peer.send(b"x").unwrap(), 1),
    )
    .await;
}

#[anyio::test]
async fn an_accept_heeds_its_scope() {
    heeds_its_scope(
        async || {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            (listener, (address, Vec::new()))
        },
        async |listener| listener.accept().await.map(drop),
        |(address, clients)| clients.push(std::net::TcpStream::connect(*address).unwrap()),
    )
    .await;
}

#[anyio::test]
async fn a_send_heeds_its_scope() {
    heeds_its_scope(
        async || {
            let (mut stream, peer) = std::os::unix::net::UnixStream::pair().unwrap();
            for end in [&stream, &peer] {
                end.set_nonblocking(true).unwrap();
            }
            // Until there is no room for a single byte.
            for length in [4096, 1] {
                while stream.write(&[0; 4096][..length]).is_ok() {}
            }
            stream.set_nonblocking(false).unwrap();
            (UnixStream::from_owned(stream.into()).unwrap(), peer)
        },
        async |stream| {
            let (result, _) = stream.send_some(vec![0; 4096]).await;
            assert!(result? > 0);
            Ok(())
        },
        |peer| while peer.read(&mut [0; 65_536]).is_ok() {},
    )
    .await;
}

#[anyio::test]
async fn a_wait_for_readiness_heeds_its_scope() {
    heeds_its_scope(
        async || std::os::unix::net::UnixStream::pair().unwrap(),
        async |stream| {
            wait_readable(&*stream).await?;
            assert_eq!(stream.read(&mut [0]).unwrap(), 1);
            Ok(())
        },
        write_one,
    )
    .await;
}

#[anyio::test]
async fn a_wait_for_a_process_heeds_its_scope() {
    heeds_its_scope(
        async || {
            let mut process =
                process::open(Command::new("cat").stdout(process::Stdio::null())).await.unwrap();
            let input = process.stdin.take().unwrap().into_owned().unwrap();
            (process, Some(input))
        },
        async |process| {
            assert!(process.wait().await?.success());
            Ok(())
        },
        |input| drop(input.take()),
    )
    .await;
}

#[anyio::test]
async fn a_wait_for_an_event_heeds_its_scope() {
    heeds_its_scope(
        async || {
            let event = Rc::new(Event::new());
            (event.clone(), event)
        },
        async |event| Ok(event.wait().await?),
        |event| event.set(),
    )
    .await;
    heeds_its_scope(
        async || {
            let event = Arc::new(cross::Event::new());
            (event.clone(), event)
        },
        async |event| Ok(event.wait().await?),
        |event| event.set(),
    )
    .await;
}

#[anyio::test]
async fn a_wait_for_a_permit_heeds_its_scope() {
    heeds_its_scope(
        async || {
            let semaphore = Rc::new(Semaphore::new(0));
            (semaphore.clone(), semaphore)
        },
        async |semaphore| {
            semaphore.acquire().await?.forget();
            Ok(())
        },
        |semaphore| semaphore.release(),
    )
    .await;
}

#[anyio::test]
async fn a_wait_for_or_with_an_object_heeds_its_scope() {
    heeds_its_scope(
        async || {
            let (sender, receiver) = memory::channel(8);
            (receiver, sender)
        },
        async |receiver| {
            assert_eq!(receiver.receive().await?, Some(1));
            Ok(())
        },
        |sender| sender.send_nowait(1).unwrap(),
    )
    .await;
    heeds_its_scope(
        async || {
            let (sender, receiver) = memory::channel(1);
            sender.send_nowait(1).unwrap();
            (sender, receiver)
        },
        async |sender| sender.send(1).await,
        |receiver| assert_eq!(receiver.receive_nowait().unwrap(), Some(1)),
    )
    .await;
}

#[anyio::test]
async fn a_send_that_a_shield_lets_begin_again_goes_on_where_it_was() -> Result<()> {
    let (stream, mut peer) = unix();
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|place| (place / 251) as u8).collect();
    let (outer, inner) = (CancelScope::new(), CancelScope::new());
    let reading = {
        let mut sending =
            pin!(outer.run(async || inner.run(async || stream.send(bytes.clone()).await).await));
        begin(sending.as_mut()).await;
        outer.cancel();
        inner.set_shield(true);
        begin(sending.as_mut()).await;
        let reading = thread::spawn(move || {
            let mut read = Vec::new();
            peer.read_to_end(&mut read).unwrap();
            read
        });
        assert_eq!(sending.await?, Some(Some(())));
        reading
    };
    stream.close().await?;
    assert!(reading.join().unwrap() == bytes, "something was lost, or came twice");
    Ok(())
}

#[anyio::test]
async fn nothing_is_done_in_a_cancelled_scope() -> Result<()> {
    let folder = anyio::tempfile::TemporaryDirectory::new().await?;
    let (path, file): (Path, Path) = (folder.path().join("made"), folder.path().join("file"));
    file.write_text("before").await?;
    let written = File::options().write(true).open(&file).await?;
    let (stream, mut peer) = unix();
    peer.set_nonblocking(true)?;
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let (from, to) = (UdpSocket::bind("127.0.0.1:0").await?, std::net::UdpSocket::bind("127.0.0.1:0")?);
    to.set_nonblocking(true)?;
    let scope = CancelScope::new();
    let ended = scope
        .run(async || {
            scope.cancel();
            assert!(stream.send("x").await.is_err());
            assert!(stream.send_some("x").await.0.is_err());
            assert!(stream.send_eof().await.is_err());
            assert!(from.send_to("x", to.local_addr()?).await.is_err());
            assert!(TcpStream::connect(listener.local_addr()?).await.is_err());
            assert!(path.mkdir().await.is_err());
            assert!(file.unlink().await.is_err());
            assert!(written.write_at("after!".to_owned(), 0).await.0.is_err());
            assert!(written.set_len(0).await.is_err());
            checkpoint().await?;
            anyio::Ok(())
        })
        .await?;
    assert_eq!(ended, None);
    settle().await;
    let would_wait = |error: io::Error| error.kind() == io::ErrorKind::WouldBlock;
    assert!(would_wait(peer.read(&mut [0]).unwrap_err()));
    assert!(would_wait(to.recv(&mut [0]).unwrap_err()));
    assert!(would_wait(listener.accept().unwrap_err()));
    assert!(!path.exists().await?);
    assert_eq!(file.read_text().await?, "before");
    written.close().await?;
    folder.close().await?;
    Ok(())
}
