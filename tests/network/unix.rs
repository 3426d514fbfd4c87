//! UNIX domain sockets.

use crate::peers::{Ticker, assert_receives, poll_once};
use anyio::{
    Error, Result,
    net::{
        ConnectedUnixDatagram, UnixDatagram, UnixDatagramOptions, UnixListener, UnixListenerOptions,
        UnixStream,
    },
    streams::ByteReceiveStream,
};
use std::{
    ffi::OsStr,
    fs,
    io::{self, Read, Write},
    os::{
        fd::OwnedFd,
        unix::{ffi::OsStrExt, fs::PermissionsExt},
    },
    path::PathBuf,
    pin::pin,
    sync::atomic::{AtomicU32, Ordering},
};

/// A folder that goes with the test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("anyio-unix-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[anyio::test]
async fn bytes_come_through_in_both_directions_and_end() -> Result<()> {
    let folder = Folder::new();
    let path = folder.path("socket");
    let listener = UnixListener::bind(&path).await?;
    assert_eq!(listener.local_path()?, Some(path.clone()));
    let client = UnixStream::connect(&path).await?;
    let server = listener.accept().await?;
    assert_eq!(client.peer_path()?, Some(path.clone()));
    assert_eq!(server.local_path()?, Some(path));
    assert_eq!(server.peer_path()?, None);
    client.send("ping").await?;
    assert_receives!(server, "ping");
    client.send_eof().await?;
    assert!(server.receive().await?.is_none());
    assert!(matches!(client.send("more").await, Err(Error::ClosedResource)));
    server.send("pong").await?;
    server.close().await?;
    assert_receives!(client, "pong");
    assert!(client.receive().await?.is_none());
    assert!(matches!(client.send_eof().await, Ok(())));
    Ok(())
}

#[anyio::test]
async fn a_megabyte_goes_both_ways() -> Result<()> {
    let (one, other) = UnixStream::pair()?;
    let data: Vec<u8> = (0..1_000_000u32).map(|n| ((n * 7) >> 3) as u8).collect();
    let copy = async |from: &UnixStream| -> Result<Vec<u8>> {
        let mut received = Vec::new();
        while let Some(chunk) = from.receive().await? {
            received.extend_from_slice(&chunk);
        }
        Ok(received)
    };
    anyio::task_group(async |tg| -> Result<()> {
        for end in [&one, &other] {
            let data = data.clone();
            tg.start_soon(async move {
                end.send(data).await?;
                end.send_eof().await
            });
        }
        for end in [&one, &other] {
            assert!(copy(end).await? == data);
        }
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_stale_socket_is_replaced_and_other_files_are_not() -> Result<()> {
    let folder = Folder::new();
    let path = folder.path("socket");
    UnixListener::bind(&path).await?.close().await?;
    assert!(path.exists(), "the file stays when the listener is closed");
    let listener = UnixListener::bind(&path).await?;
    let _client = UnixStream::connect(&path).await?;
    listener.accept().await?;

    let file = folder.path("file");
    fs::write(&file, "precious")?;
    let error = UnixListener::bind(&file).await.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EADDRINUSE));
    assert!(error.to_string().contains("listen on"), "{error}");
    assert_eq!(fs::read_to_string(&file)?, "precious");
    let link = folder.path("link");
    std::os::unix::fs::symlink(&path, &link)?;
    assert!(UnixListener::bind(&link).await.is_err());
    assert!(link.is_symlink());
    Ok(())
}

#[anyio::test]
async fn the_file_has_the_mode_that_was_asked_for() -> Result<()> {
    let folder = Folder::new();
    for mode in [0o600, 0o666] {
        let path = folder.path("socket");
        let _listener = UnixListenerOptions::new().mode(mode).backlog(5).bind(&path).await?;
        assert_eq!(fs::metadata(&path)?.permissions().mode() & 0o777, mode);
    }
    Ok(())
}

#[anyio::test]
async fn abstract_names_and_odd_paths_work() -> Result<()> {
    let name = format!("\0anyio-{}-{:?}", std::process::id(), anyio::current_backend());
    let folder = Folder::new();
    let odd = folder.0.join(OsStr::from_bytes(b"not \xff utf-8"));
    for path in [PathBuf::from(name), odd] {
        let listener = UnixListener::bind(&path).await?;
        let client = UnixStream::connect(&path).await?;
        let server = listener.accept().await?;
        client.send("hello").await?;
        assert_receives!(server, "hello");
    }
    Ok(())
}

#[anyio::test]
async fn who_is_not_there_cannot_be_connected_to() -> Result<()> {
    let folder = Folder::new();
    let missing = folder.path("missing");
    let error = UnixStream::connect(&missing).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().contains("missing"), "{error}");
    let error = UnixStream::connect("\0nobody is called that").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let stale = folder.path("stale");
    UnixListener::bind(&stale).await?.close().await?;
    assert_eq!(UnixStream::connect(&stale).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    let long = folder.path(&"x".repeat(200));
    assert_eq!(UnixStream::connect(&long).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(UnixListener::bind(&long).await.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    Ok(())
}

#[anyio::test]
async fn a_connection_waits_for_room_in_the_listeners_queue() -> Result<()> {
    let folder = Folder::new();
    let path = folder.path("socket");
    let listener = UnixListenerOptions::new().backlog(1).bind(&path).await?;
    anyio::task_group(async |tg| -> Result<()> {
        let path = &path;
        for _ in 0..20 {
            tg.start_soon(async move {
                let stream = UnixStream::connect(path).await?;
                assert!(stream.receive().await?.is_none());
                Ok(())
            });
        }
        Ticker::new().tick().await;
        for _ in 0..20 {
            listener.accept().await?;
        }
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_connection_that_waits_for_room_can_be_given_up() -> Result<()> {
    let folder = Folder::new();
    let path = folder.path("socket");
    let _listener = UnixListenerOptions::new().backlog(0).bind(&path).await?;
    let mut waiting = Vec::new();
    let limit = std::time::Duration::from_millis(20);
    while let Some(stream) = anyio::move_on_after(limit, UnixStream::connect(&path)).await? {
        waiting.push(stream);
        assert!(waiting.len() < 10);
    }
    Ok(())
}

#[anyio::test]
async fn a_peer_that_closes_without_reading_breaks_the_stream() -> Result<()> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.send("never read").await?;
    theirs.close().await?;
    for _ in 0..2 {
        let received = ours.receive().await;
        assert!(matches!(received, Err(Error::BrokenResource(_))), "{received:?}");
    }
    assert!(matches!(ours.send("more").await, Err(Error::BrokenResource(_))));
    Ok(())
}

#[anyio::test]
async fn sending_to_a_peer_that_has_closed_breaks_and_the_end_stays_an_end() -> Result<()> {
    let (ours, theirs) = UnixStream::pair()?;
    theirs.send("bye").await?;
    drop(theirs);
    Ticker::new().tick().await;
    assert!(matches!(ours.send("more").await, Err(Error::BrokenResource(_))));
    assert_receives!(ours, "bye");
    assert!(ours.receive().await?.is_none());
    Ok(())
}

#[anyio::test]
async fn sockets_of_the_standard_library_are_taken_over_and_given_away() -> Result<()> {
    for nonblocking in [false, true] {
        let (ours, mut peer) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(nonblocking)?;
        let stream = UnixStream::from_owned(ours.into())?;
        {
            let mut receive = pin!(stream.receive());
            assert!(poll_once(receive.as_mut()).await.is_pending());
            Ticker::new().tick().await;
            peer.write_all(b"hello")?;
            assert_eq!(receive.await?.unwrap(), "hello");
        }
        let mut given = std::os::unix::net::UnixStream::from(stream.into_owned().unwrap());
        given.write_all(b"bye")?;
        let mut received = [0; 3];
        peer.read_exact(&mut received)?;
    }
    let folder = Folder::new();
    for nonblocking in [false, true] {
        let path = folder.path(if nonblocking { "one" } else { "other" });
        let theirs = std::os::unix::net::UnixListener::bind(&path)?;
        theirs.set_nonblocking(nonblocking)?;
        let listener = UnixListener::from_owned(theirs.into())?;
        let mut accept = pin!(listener.accept());
        assert!(poll_once(accept.as_mut()).await.is_pending());
        Ticker::new().tick().await;
        let _client = UnixStream::connect(&path).await?;
        accept.await?;
    }
    Ok(())
}

#[anyio::test]
async fn what_is_no_connected_unix_socket_is_not_taken_over() -> Result<()> {
    let folder = Folder::new();
    let datagrams: OwnedFd = std::os::unix::net::UnixDatagram::pair()?.0.into();
    let tcp: OwnedFd = std::net::TcpListener::bind("127.0.0.1:0")?.into();
    let listening: OwnedFd = std::os::unix::net::UnixListener::bind(folder.path("socket"))?.into();
    let pipe: OwnedFd = io::pipe()?.0.into();
    for descriptor in [datagrams, tcp, listening, pipe] {
        assert!(matches!(UnixStream::from_owned(descriptor), Err(Error::Io(_))));
    }
    let connected: OwnedFd = std::os::unix::net::UnixStream::pair()?.0.into();
    assert!(matches!(UnixListener::from_owned(connected), Err(Error::Io(_))));
    Ok(())
}

#[anyio::test]
async fn dropping_the_sending_half_shows_the_end() -> Result<()> {
    let (ours, theirs) = UnixStream::pair()?;
    let (mut receiving, sending) = ours.split();
    sending.send("bye").await?;
    drop(sending);
    assert_receives!(theirs, "bye");
    assert!(theirs.receive().await?.is_none());
    theirs.send("an answer").await?;
    assert_receives!(receiving, "an answer");
    Ok(())
}

#[anyio::test]
async fn closing_after_a_cancelled_receive_and_a_cancelled_send_works() -> Result<()> {
    let (ours, theirs) = UnixStream::pair()?;
    let limit = std::time::Duration::from_millis(5);
    assert!(anyio::move_on_after(limit, ours.receive()).await?.is_none());
    assert!(anyio::move_on_after(limit, ours.send(vec![7; 8 << 20])).await?.is_none());
    ours.close().await?;
    let mut received = 0;
    while let Some(chunk) = theirs.receive().await? {
        received += chunk.len();
    }
    assert!(received > 0);
    Ok(())
}

/// What is in a folder.
fn names_in(folder: &std::path::Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[anyio::test]
async fn a_path_with_a_zero_byte_or_none_at_all_is_refused() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a\0b");
    let errors = [
        UnixListener::bind(&path).await.map(drop).unwrap_err(),
        UnixListenerOptions::new().mode(0o600).bind(&path).await.map(drop).unwrap_err(),
        UnixStream::connect(&path).await.map(drop).unwrap_err(),
        UnixDatagram::bind(&path).await.map(drop).unwrap_err(),
        ConnectedUnixDatagram::connect(&path).await.map(drop).unwrap_err(),
        UnixDatagram::unbound()?.send_to("x", &path).await.unwrap_err(),
        UnixListener::bind("").await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    }
    assert!(names_in(folder.path()).is_empty());
    Ok(())
}

#[anyio::test]
async fn a_bind_that_fails_leaves_the_older_socket_its_path() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let living = UnixListener::bind(&path).await?;
    let refused = UnixListenerOptions::new().refuse_living(true).bind(&path).await.unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AddrInUse, "{refused}");
    // The question whether it lives has left a connection that is over.
    assert!(living.accept().await?.receive().await?.is_none());
    let client = UnixStream::connect(&path).await?;
    living.accept().await?.send("still here").await?;
    assert_receives!(client, "still here");
    assert_eq!(names_in(folder.path()), ["socket"]);
    Ok(())
}

#[anyio::test]
async fn a_socket_that_nobody_has_open_is_replaced_and_another_file_is_not() -> Result<()> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    for options in [UnixListenerOptions::new(), UnixListenerOptions::new().refuse_living(true)] {
        options.bind(&path).await?.close().await?;
        let again = options.bind(&path).await?;
        assert_eq!(again.local_path()?.as_deref(), Some(&*path));
        let _client = UnixStream::connect(&path).await?;
        again.accept().await?;
        assert_eq!(names_in(folder.path()), ["socket"]);
    }
    let socket = UnixDatagramOptions::new().refuse_living(true).bind(folder.path().join("datagrams")).await?;
    let refused = UnixDatagramOptions::new().refuse_living(true).bind(folder.path().join("datagrams")).await;
    assert_eq!(refused.map(drop).unwrap_err().kind(), io::ErrorKind::AddrInUse);
    drop(socket);
    let file = folder.path().join("file");
    std::fs::write(&file, "text")?;
    let refused = UnixListener::bind(&file).await.map(drop).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::AddrInUse, "{refused}");
    assert_eq!(std::fs::read(&file)?, b"text");
    Ok(())
}

#[anyio::test]
async fn a_second_task_is_told_that_somebody_receives_already() -> Result<()> {
    let (near, far) = UnixStream::pair()?;
    anyio::task_group(async |tg| -> Result<()> {
        let first = tg.start_soon(async { near.receive().await });
        anyio::testing::wait_all_tasks_blocked().await?;
        assert!(matches!(near.receive().await, Err(Error::BusyResource(_))));
        far.send("1").await?;
        assert_eq!(first.await?.unwrap(), "1");
        Ok(())
    })
    .await?;
    Ok(())
}
