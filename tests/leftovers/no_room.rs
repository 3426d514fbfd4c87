//! Datagrams that wait for room with their receiver.

use crate::peers::{Ticker, alone, lock, open_descriptors, poll_once};
use anyio::{
    Error, Result, lowlevel, move_on_after,
    net::{
        ConnectedUdpSocket, ConnectedUnixDatagram, ReceivedDescriptors, UdpSocket, UnixDatagram, UnixStream,
    },
};
use std::{
    env, fs,
    io::{self, Read},
    os::fd::{AsFd, AsRawFd},
    path::{Path, PathBuf},
    pin::pin,
    process,
    time::Duration,
};

/// A receiver whose queue others have filled, at a path.
struct Full {
    path: PathBuf,
    _receiver: std::os::unix::net::UnixDatagram,
}

impl Full {
    /// Of the standard library's sockets: threads that work for a run hold descriptors for a moment longer.
    fn new() -> io::Result<Self> {
        let path = env::temp_dir().join(format!("anyio-full-{}", process::id()));
        let _ = fs::remove_file(&path);
        let receiver = std::os::unix::net::UnixDatagram::bind(&path)?;
        let sender = std::os::unix::net::UnixDatagram::unbound()?;
        sender.set_nonblocking(true)?;
        let refused = loop {
            if let Err(error) = sender.send_to(b"x", &path) {
                break error;
            }
        };
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        Ok(Self { path, _receiver: receiver })
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        fs::remove_file(&self.path).unwrap();
    }
}

#[test]
fn a_datagram_that_waits_for_room_is_given_up() {
    alone(async || {
        let full = Full::new()?;
        let path: &Path = &full.path;
        let client = UnixDatagram::unbound()?;
        let ticker = Ticker::new();
        ticker.tick().await;
        let before = (lowlevel::statistics(), open_descriptors());
        for _ in 0..10 {
            let sent = move_on_after(Duration::from_millis(2), client.send_to("y", path)).await?;
            assert_eq!(sent, None);
            let mut dropped = Box::pin(client.send_to("y", path));
            for _ in 0..4 {
                assert!(poll_once(dropped.as_mut()).await.is_pending());
                ticker.tick().await;
            }
            drop(dropped);
        }
        for _ in 0..1000 {
            if open_descriptors() <= before.1 {
                break;
            }
            // They are closed in the background.
            ticker.tick().await;
        }
        assert!(open_descriptors() <= before.1, "{} descriptors became {}", before.1, open_descriptors());
        let in_flight = lowlevel::statistics().operations_in_flight;
        assert_eq!(in_flight, before.0.operations_in_flight);
        Ok(())
    });
}

/// Lets this process open so many more descriptors only, until it goes.
struct FewDescriptors(libc::rlimit);

impl FewDescriptors {
    fn new(more: u32) -> Self {
        let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        let taken: Vec<_> = (0..=more).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        // As many below it are free as there may be more.
        let first_refused = taken.last().unwrap().as_raw_fd();
        drop(taken);
        // SAFETY: the limits are valid for the calls.
        unsafe {
            assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut before), 0);
            let none = libc::rlimit { rlim_cur: first_refused as libc::rlim_t, ..before };
            assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &none), 0);
        }
        Self(before)
    }
}

impl Drop for FewDescriptors {
    fn drop(&mut self) {
        // SAFETY: as above.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &self.0) }, 0);
    }
}

/// Runs a test of this file in a process of its own, since the limit is one of the process.
fn run_alone(test: &str) {
    let _lock = lock();
    let ended = process::Command::new(env::current_exe().unwrap())
        .args(["--exact", test, "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && told.contains("1 passed"), "{ended:?}");
}

#[test]
fn without_descriptors_a_datagram_that_would_wait_is_refused() {
    run_alone("no_room::a_datagram_without_descriptors");
}

#[test]
#[ignore = "a part of the test above"]
fn a_datagram_without_descriptors() {
    alone(async || {
        let full = Full::new()?;
        let path: &Path = &full.path;
        let client = UnixDatagram::unbound()?;
        let ticker = Ticker::new();
        ticker.tick().await;
        let none = FewDescriptors::new(0);
        let mut sending = pin!(client.send_to("y", path));
        let refused = loop {
            if let std::task::Poll::Ready(refused) = poll_once(sending.as_mut()).await {
                break refused;
            }
            ticker.tick().await;
        };
        drop(none);
        let Err(Error::Io(error)) = refused else { panic!("{refused:?}") };
        let expected = io::Error::from_raw_os_error(libc::EMFILE);
        assert_eq!(error.to_string(), format!("send: {expected}"));
        Ok(())
    });
}

#[test]
fn descriptors_for_which_there_is_no_room_are_told_and_closed() {
    run_alone("no_room::descriptors_without_room");
}

/// How many descriptors are left when some come, of three.
const ROOM: [u32; 3] = [0, 1, 2];

#[test]
#[ignore = "a part of the test above"]
fn descriptors_without_room() {
    alone(async || {
        let ticker = Ticker::new();
        ticker.tick().await;
        let before = open_descriptors();
        for room in ROOM {
            let (one, other) = UnixStream::pair()?;
            check_those_without_room(
                room,
                async |ends| one.send_fds("x", ends).await,
                async || other.receive_fds(1, 9).await.map(|received| received.expect("it has not ended").1),
            )
            .await?;
            // It is as good as before.
            one.send("y").await?;
            assert_eq!(other.receive().await?.unwrap(), "y");
            let (one, other) = ConnectedUnixDatagram::pair()?;
            check_those_without_room(
                room,
                async |ends| one.send_fds("x", ends).await,
                async || other.receive_fds().await.map(|received| received.1),
            )
            .await?;
            one.send("y").await?;
            assert_eq!(other.receive().await?.data, "y");
        }
        for _ in 0..1000 {
            if open_descriptors() == before {
                break;
            }
            ticker.tick().await;
        }
        assert_eq!(open_descriptors(), before);
        Ok(())
    });
}

/// Sends three writing ends of a pipe to where there is room for fewer.
async fn check_those_without_room(
    room: u32,
    send: impl AsyncFn(&[io::PipeWriter]) -> Result<()>,
    receive: impl AsyncFn() -> Result<ReceivedDescriptors>,
) -> Result<()> {
    let (mut reader, writer) = io::pipe()?;
    let ends = [writer.try_clone()?, writer.try_clone()?, writer];
    send(&ends).await?;
    drop(ends);
    let few = FewDescriptors::new(room);
    let received = receive().await;
    drop(few);
    let received = received?;
    assert_eq!((received.owned.len(), received.truncated), (room as usize, true));
    // Whether those that came work, and no others are open anywhere.
    for end in &received.owned {
        io::Write::write_all(&mut io::PipeWriter::from(end.as_fd().try_clone_to_owned()?), b"z")?;
    }
    drop(received);
    let mut written = String::new();
    reader.read_to_string(&mut written)?;
    assert_eq!(written.len(), room as usize);
    Ok(())
}

#[test]
fn sockets_at_the_limit_of_descriptors_go_on() {
    run_alone("no_room::as_many_sockets_as_there_may_be");
}

#[test]
#[ignore = "a part of the test above"]
fn as_many_sockets_as_there_may_be() {
    alone(async || {
        let server = UdpSocket::bind("127.0.0.1:0").await?;
        let address = server.local_addr()?;
        let few = FewDescriptors::new(50);
        let mut clients = Vec::new();
        let refused = loop {
            match ConnectedUdpSocket::connect(address).await {
                Ok(client) => clients.push(client),
                Err(error) => break error,
            }
        };
        assert_eq!(refused.raw_os_error(), Some(libc::EMFILE), "{refused:?}");
        assert_eq!(UdpSocket::bind("127.0.0.1:0").await.unwrap_err().raw_os_error(), Some(libc::EMFILE));
        assert!(clients.len() > 40, "{}", clients.len());
        for client in &clients {
            client.send("x").await?;
            let datagram = server.receive().await?;
            server.send_to(datagram.data, datagram.from).await?;
            assert_eq!(client.receive().await?.data, "x");
        }
        clients.pop().unwrap().close().await?;
        ConnectedUdpSocket::connect(address).await?.close().await?;
        drop(few);
        Ok(())
    });
}
