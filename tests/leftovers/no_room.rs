//! Datagrams that wait for room with their receiver.

use crate::peers::{Ticker, alone, lock, open_descriptors, poll_once};
use anyio::{Error, lowlevel, move_on_after, net::UnixDatagram};
use std::{
    env, fs, io,
    os::fd::{AsRawFd, OwnedFd},
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

/// Lets this process open no more descriptors, until it goes.
struct NoDescriptors(libc::rlimit);

impl NoDescriptors {
    fn new() -> Self {
        let mut before = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        let free = OwnedFd::from(fs::File::open("/dev/null").unwrap()).as_raw_fd();
        // SAFETY: the limits are valid for the calls.
        unsafe {
            assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &mut before), 0);
            let none = libc::rlimit { rlim_cur: free as libc::rlim_t, ..before };
            assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &none), 0);
        }
        Self(before)
    }
}

impl Drop for NoDescriptors {
    fn drop(&mut self) {
        // SAFETY: as above.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &self.0) }, 0);
    }
}

/// In a process of its own, since the limit is one of the process.
#[test]
fn without_descriptors_a_datagram_that_would_wait_is_refused() {
    let _lock = lock();
    let ended = process::Command::new(env::current_exe().unwrap())
        .args(["--exact", "no_room::a_datagram_without_descriptors", "--ignored", "--nocapture"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success() && told.contains("1 passed"), "{ended:?}");
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
        let none = NoDescriptors::new();
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
