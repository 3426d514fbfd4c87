//! Closed is closed: what a descriptor held is free when its close was awaited, or its owner dropped.

use crate::peers::{alone, assert_descriptors, assert_receives, open_descriptors, poll_once};
use anyio::{
    Builder, Result,
    fs::{File, OpenOptions},
    net::{TcpListener, TcpStream, UnixStream},
    testing::test_backends,
};
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream as StdUnixStream,
    path::Path,
    pin::pin,
    rc::Rc,
};

fn writing() -> OpenOptions {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    options
}

fn assert_free(path: &Path, when: &str) {
    let other = std::fs::File::options().write(true).open(path).unwrap();
    assert!(other.try_lock().is_ok(), "the lock is held after {when}");
}

#[test]
fn a_lock_is_free_when_its_file_was_closed_or_dropped() {
    alone(async || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        for round in 0..300 {
            let mut file = writing().open(&path).await?;
            file.lock().await?;
            file.write_all("something").await.0?;
            file.sync_data().await?;
            if round % 2 == 0 {
                file.close().await?;
                assert_free(&path, "a close");
            } else {
                drop(file);
                assert_free(&path, "a drop");
            }
        }
        Ok(())
    });
}

#[test]
fn a_close_waits_for_operations_whose_futures_were_dropped() {
    alone(async || {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let data = Rc::<[u8]>::from(vec![7; 4 << 20]);
        for _ in 0..20 {
            let file = writing().open(&path).await?;
            file.lock().await?;
            // Begun, and then out of sight.
            assert!(poll_once(pin!(file.write_at(data.clone(), 0))).await.is_pending());
            file.close().await?;
            assert_free(&path, "a close with a write in flight");
        }
        Ok(())
    });
}

#[test]
fn a_port_can_be_bound_again_when_its_listener_was_dropped() {
    alone(async || {
        for used in [false, true] {
            for _ in 0..100 {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                let address = listener.local_addr()?;
                if used {
                    assert!(poll_once(pin!(listener.accept())).await.is_pending());
                    anyio::lowlevel::checkpoint().await?;
                }
                drop(listener);
                let mut options = anyio::net::TcpListenerOptions::new();
                drop(options.reuse_address(false).bind(address).await?);
                options = anyio::net::TcpListenerOptions::new();
                options.bind(address).await?.close().await?;
            }
        }
        Ok(())
    });
}

#[test]
fn the_peer_of_a_stream_that_is_dropped_sees_its_end_at_once() {
    alone(async || {
        for submitted in [false, true] {
            for _ in 0..50 {
                let (near, mut far) = StdUnixStream::pair().unwrap();
                let stream = UnixStream::from_owned(near.into())?;
                assert!(poll_once(pin!(stream.receive())).await.is_pending());
                if submitted {
                    anyio::lowlevel::checkpoint().await?;
                }
                drop(stream);
                // Blocks the thread: the run has no turn in which it could make up for it.
                assert_eq!(far.read(&mut [0]).unwrap(), 0);
            }
        }
        Ok(())
    });
}

#[test]
fn many_streams_that_receive_in_one_operation_each_are_closed_when_they_are_dropped() {
    alone(async || {
        let mut fars = Vec::new();
        let mut streams = Vec::new();
        for _ in 0..150 {
            let (near, mut far) = StdUnixStream::pair().unwrap();
            let stream = UnixStream::from_owned(near.into())?;
            far.write_all(b"first").unwrap();
            streams.push(stream);
            fars.push(far);
        }
        for stream in &streams {
            assert_receives!(stream, "first");
            assert!(poll_once(pin!(stream.receive())).await.is_pending());
        }
        anyio::lowlevel::checkpoint().await?;
        for far in &mut fars {
            far.write_all(b"never taken").unwrap();
        }
        drop(streams);
        for far in &mut fars {
            // Data that nobody took makes this a reset.
            assert!(!matches!(far.read(&mut [0]), Ok(1..)));
        }
        Ok(())
    });
}

#[test]
fn a_connection_whose_socket_lingers_is_closed_by_a_thread() {
    alone(async || {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await?;
        let (mut peer, _) = listener.accept().unwrap();
        stream.set_linger(Some(std::time::Duration::from_secs(60)))?;
        stream.send("last words").await?;
        stream.close().await?;
        let mut text = String::new();
        peer.read_to_string(&mut text).unwrap();
        assert_eq!(text, "last words");
        Ok(())
    });
}

#[test]
fn a_close_that_was_begun_is_done_although_its_future_is_dropped() {
    for backend in test_backends() {
        let _lock = crate::peers::lock();
        let before = open_descriptors();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let peers: Vec<_> = (0..20)
            .map(|_| {
                let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                (stream, listener.accept().unwrap().0)
            })
            .collect();
        Builder::new()
            .backend(backend)
            .run(async || -> Result<()> {
                for (near, _far) in peers {
                    let stream = TcpStream::from_owned(near.into())?;
                    stream.set_linger(Some(std::time::Duration::from_secs(60)))?;
                    let _ = poll_once(pin!(stream.close())).await;
                }
                Ok(())
            })
            .unwrap()
            .unwrap();
        drop(listener);
        assert_descriptors(before, backend);
    }
}
