//! Descriptors that come over UNIX sockets while nobody takes them: none is left open.

use crate::peers::{
    Ticker, alone, assert_descriptors, descriptors_once_at_most, lock, open_descriptors, poll_once, settle,
};
use anyio::{
    Builder, Result, lowlevel,
    net::{ConnectedUnixDatagram, UnixStream},
    testing::test_backends,
};
use std::{cell::RefCell, os::fd::AsFd};

/// How far a receive has come when it is dropped.
#[derive(Debug, Clone, Copy)]
enum Stage {
    Queued,
    Submitted,
    /// The message is there, and the future does not know yet.
    Answered,
    /// It goes, and then the message comes.
    Abandoned,
}

const STAGES: [Stage; 4] = [Stage::Queued, Stage::Submitted, Stage::Answered, Stage::Abandoned];

#[test]
fn a_dropped_receive_of_descriptors_from_a_stream() {
    alone(async || {
        let ticker = Ticker::new();
        ticker.tick().await;
        let before = (lowlevel::statistics(), open_descriptors());
        for stage in STAGES {
            let (one, other) = UnixStream::pair()?;
            let mut receiving = Box::pin(other.receive_fds(10, 10));
            assert!(poll_once(receiving.as_mut()).await.is_pending());
            if !matches!(stage, Stage::Queued) {
                ticker.tick().await;
            }
            if matches!(stage, Stage::Answered) {
                one.send_fds("x", &[one.as_fd(), other.as_fd()]).await?;
                ticker.tick().await;
            }
            drop(receiving);
            if matches!(stage, Stage::Abandoned) {
                one.send_fds("x", &[one.as_fd(), other.as_fd()]).await?;
            }
            ticker.tick().await;
            drop((one, other));
            ticker.tick().await;
            settle(&ticker, before.0).await;
            assert_eq!(open_descriptors(), before.1, "descriptors after {stage:?}");
        }
        Ok(())
    });
}

#[test]
fn a_datagram_socket_that_goes_with_descriptors_nobody_has_taken() {
    alone(async || {
        let ticker = Ticker::new();
        ticker.tick().await;
        let before = (lowlevel::statistics(), open_descriptors());
        for stage in STAGES {
            let (one, other) = ConnectedUnixDatagram::pair()?;
            let mut receiving = Box::pin(other.receive_fds());
            assert!(poll_once(receiving.as_mut()).await.is_pending());
            if !matches!(stage, Stage::Queued) {
                ticker.tick().await;
            }
            if matches!(stage, Stage::Answered) {
                for _ in 0..5 {
                    one.send_fds("x", &[one.as_fd(), other.as_fd()]).await?;
                }
                ticker.tick().await;
            }
            drop(receiving);
            if matches!(stage, Stage::Abandoned) {
                one.send_fds("x", &[one.as_fd(), other.as_fd()]).await?;
            }
            drop((one, other));
            ticker.tick().await;
            settle(&ticker, before.0).await;
            assert_eq!(open_descriptors(), before.1, "descriptors after {stage:?}");
        }
        Ok(())
    });
}

#[test]
fn a_datagram_socket_that_goes_when_one_of_several_messages_was_taken() {
    alone(async || {
        let ticker = Ticker::new();
        ticker.tick().await;
        let before = (lowlevel::statistics(), open_descriptors());
        let (one, other) = ConnectedUnixDatagram::pair()?;
        for _ in 0..4 {
            one.send_fds("x", &[one.as_fd(), other.as_fd()]).await?;
        }
        // The others have come with it.
        drop(other.receive_fds().await?);
        drop((one, other));
        ticker.tick().await;
        settle(&ticker, before.0).await;
        assert_eq!(open_descriptors(), before.1);
        Ok(())
    });
}

#[test]
fn descriptors_that_came_before_a_run_ended_and_that_nobody_took() {
    let _lock = lock();
    for backend in test_backends() {
        for singly in [false, true] {
            let before = open_descriptors();
            let kept = RefCell::new(None);
            let mut builder = Builder::new().backend(backend);
            if singly {
                builder = builder.receive_buffers(0);
            }
            let run = builder.run(async || -> Result<()> {
                let ticker = Ticker::new();
                let (one, other) = ConnectedUnixDatagram::pair()?;
                let mut receiving = Box::pin(other.receive_fds());
                assert!(poll_once(receiving.as_mut()).await.is_pending());
                ticker.tick().await;
                for _ in 0..5 {
                    one.send_fds("x", &[one.as_fd(), other.as_fd()]).await?;
                }
                ticker.tick().await;
                drop(receiving);
                kept.replace(Some((one, other)));
                Ok(())
            });
            run.unwrap().unwrap();
            // The sockets are left, with what a receive of their own memory may have brought, and nothing else.
            let own = if singly { 2 } else { 0 };
            let left = descriptors_once_at_most(before + 2 + own) - before - 2;
            assert!(left <= own, "{backend}, singly: {singly}, {left} are left");
            drop(kept);
            assert_descriptors(before, format_args!("{backend}, singly: {singly}"));
        }
    }
}

/// By an option of the socket (Linux 6.5) each message brings a descriptor of the process that has sent it.
#[cfg(target_os = "linux")]
#[test]
fn descriptors_of_senders_that_nobody_has_taken() {
    use std::os::fd::{AsRawFd, BorrowedFd};

    alone(async || {
        let told_of_senders = |socket: BorrowedFd<'_>| {
            let on: libc::c_int = 1;
            // SAFETY: the option's value is an int, and the length says so.
            let set = unsafe {
                let length = size_of_val(&on) as libc::socklen_t;
                let option = (&raw const on).cast();
                libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_PASSPIDFD, option, length)
            };
            set == 0
        };
        let ticker = Ticker::new();
        ticker.tick().await;
        let before = (lowlevel::statistics(), open_descriptors());
        {
            let (one, other) = UnixStream::pair()?;
            let (from, to) = ConnectedUnixDatagram::pair()?;
            if !told_of_senders(other.as_fd()) || !told_of_senders(to.as_fd()) {
                eprintln!("passed over: this kernel does not tell of senders in this way");
                return Ok(());
            }
            let all = open_descriptors();
            for _ in 0..3 {
                one.send_fds("x", &[one.as_fd()]).await?;
                let (bytes, _) = other.receive_fds(10, 10).await?.expect("a message");
                assert_eq!(bytes, "x");
                from.send_fds("x", &[one.as_fd()]).await?;
                let (_, received) = to.receive_fds().await?;
                assert_eq!(received.owned.len(), 1, "the sender's own is none of those that it has sent");
                drop(received);
                from.send("x").await?;
                to.receive().await?;
            }
            ticker.tick().await;
            assert_eq!(open_descriptors(), all);
        }
        settle(&ticker, before.0).await;
        assert_eq!(open_descriptors(), before.1);
        Ok(())
    });
}
