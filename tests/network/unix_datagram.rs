//! Datagrams over UNIX sockets.

use crate::{
    peers::{Ticker, poll_once},
    unix::Folder,
};
use anyio::{
    CancelScope, Error, Result,
    net::{
        ConnectedUnixDatagram, UnixDatagram, UnixDatagramOptions, UnixListener, UnixStream,
        attribute::{LocalPath, Peer, RemotePath},
    },
    streams::{Attributes, UnreliableObjectReceiveStream, UnreliableObjectSendStream},
    task_group,
};
use std::{
    fs,
    io::ErrorKind,
    os::{
        fd::{AsFd, AsRawFd},
        unix::fs::PermissionsExt,
    },
    path::{Path, PathBuf},
    pin::pin,
    time::Duration,
};

#[anyio::test]
async fn datagrams_go_to_a_path_and_are_answered() -> Result<()> {
    let folder = Folder::new();
    let server = UnixDatagramOptions::new().mode(0o600).bind(folder.path("server")).await?;
    assert_eq!(fs::metadata(folder.path("server"))?.permissions().mode() & 0o777, 0o600);
    let client = UnixDatagram::bind(folder.path("client")).await?;
    client.send_to("question", folder.path("server")).await?;
    let packet = server.receive().await?;
    assert_eq!(packet.data, "question");
    assert_eq!(packet.from_path(), Some(folder.path("client")));
    assert_eq!(packet.from.as_pathname(), Some(&*folder.path("client")));
    server.answer("answer", &packet.from).await?;
    assert_eq!(client.receive().await?.data, "answer");
    client.send_to("", folder.path("server")).await?;
    assert_eq!(server.receive().await?.data, "");
    // A socket of that path is replaced.
    let again = UnixDatagram::bind(folder.path("server")).await?;
    client.send_to("to the new one", folder.path("server")).await?;
    assert_eq!(again.receive().await?.data, "to the new one");
    fs::write(folder.path("file"), "kept")?;
    let error = UnixDatagram::bind(folder.path("file")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(fs::read_to_string(folder.path("file"))?, "kept");
    Ok(())
}

#[anyio::test]
async fn a_socket_without_a_name_sends_and_cannot_be_answered() -> Result<()> {
    let folder = Folder::new();
    let server = UnixDatagram::bind(folder.path("server")).await?;
    let client = UnixDatagram::unbound()?;
    assert_eq!(client.local_path()?, None);
    client.send_to("question", folder.path("server")).await?;
    let packet = server.receive().await?;
    assert!(packet.from.is_unnamed());
    assert_eq!(packet.from_path(), None);
    let error = server.answer("answer", &packet.from).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let error = client.send_to("x", folder.path("nobody")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    Ok(())
}

#[cfg(target_os = "linux")]
#[anyio::test]
async fn names_may_be_abstract_or_chosen_by_the_system() -> Result<()> {
    // As unlike others' as the folder.
    let folder = Folder::new();
    let name = PathBuf::from(format!("\0{}", folder.path("datagram").display()));
    let server = UnixDatagram::bind(&name).await?;
    assert_eq!(server.local_path()?, Some(name.clone()));
    assert_eq!(server.extra::<LocalPath>(), Some(name.clone()));
    let client = UnixDatagram::bind("").await?;
    let chosen = client.local_path()?.unwrap();
    assert!(chosen.as_os_str().as_encoded_bytes().starts_with(b"\0") && chosen.as_os_str().len() > 1);
    client.send_to("question", &name).await?;
    let packet = server.receive().await?;
    assert_eq!(packet.from_path(), Some(chosen.clone()));
    server.answer("answer", &packet.from).await?;
    assert_eq!(client.receive().await?.data, "answer");
    server.send_to("by its name", &chosen).await?;
    assert_eq!(client.receive().await?.data, "by its name");
    // Streams have such names, too.
    let name = PathBuf::from(format!("\0{}", folder.path("stream").display()));
    let listener = UnixListener::bind(&name).await?;
    assert_eq!(listener.extra::<LocalPath>(), Some(name.clone()));
    let stream = UnixStream::connect(&name).await?;
    assert_eq!((stream.peer_path()?, stream.extra::<RemotePath>()), (Some(name.clone()), Some(name.clone())));
    assert_eq!(listener.accept().await?.local_path()?, Some(name));
    Ok(())
}

#[anyio::test]
async fn a_connected_socket_hears_its_peer_alone() -> Result<()> {
    let folder = Folder::new();
    let server = UnixDatagram::bind(folder.path("server")).await?;
    let client =
        UnixDatagramOptions::new().local_path(folder.path("client")).connect(folder.path("server")).await?;
    assert_eq!(
        (client.peer_path()?, client.local_path()?),
        (Some(folder.path("server")), Some(folder.path("client")))
    );
    assert_eq!(client.extra::<RemotePath>(), Some(folder.path("server")));
    client.send("question").await?;
    let packet = server.receive().await?;
    server.answer("answer", &packet.from).await?;
    assert_eq!(client.receive().await?.data, "answer");
    let stranger = UnixDatagram::unbound()?;
    let error = stranger.send_to("x", folder.path("client")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    server.close().await?;
    let error = client.send("is there anybody?").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let error = ConnectedUnixDatagram::connect(folder.path("nobody")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("nobody"), "{error}");
    Ok(())
}

#[anyio::test]
async fn pairs_have_no_names_and_know_who_made_them() -> Result<()> {
    let (mut one, mut other) = ConnectedUnixDatagram::pair()?;
    assert_eq!((one.local_path()?, one.peer_path()?), (None, None));
    assert_eq!(one.peer_credentials()?.unwrap().process, Some(std::process::id()));
    assert_eq!(one.extra::<Peer>().unwrap().process, Some(std::process::id()));
    UnreliableObjectSendStream::send(&mut one, "x").await?;
    let chunk = UnreliableObjectReceiveStream::receive(&mut other).await?.unwrap();
    let (sent, chunk) = other.send_buf(chunk).await;
    sent?;
    assert_eq!(chunk, one.receive().await?.data);
    let folder = Folder::new();
    let _server = UnixDatagram::bind(folder.path("server")).await?;
    let client = ConnectedUnixDatagram::connect(folder.path("server")).await?;
    assert_eq!(client.peer_credentials()?, None);
    Ok(())
}

#[anyio::test]
async fn what_is_longer_than_the_buffer_is_told_to_be_cut() -> Result<()> {
    let (one, mut other) = ConnectedUnixDatagram::pair()?;
    task_group(async |tg| -> Result<()> {
        // There need not be room for both.
        tg.start_soon(async {
            one.send(vec![7; 100_000]).await?;
            one.send(vec![7; 100_000]).await
        });
        let packet = other.receive().await?;
        assert!(packet.truncated && packet.data.len() >= 65_536 && packet.data.len() < 100_000);
        let error = UnreliableObjectReceiveStream::receive(&mut other).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        Ok(())
    })
    .await?;
    one.send(vec![7; 65_536]).await?;
    let packet = other.receive().await?;
    assert!(!packet.truncated && packet.data == vec![7; 65_536]);
    Ok(())
}

/// Sends until there is no more room; gives how many went.
async fn fill(send: impl AsyncFn() -> Result<()>) -> Result<u32> {
    let mut sent = 0;
    loop {
        let scope = CancelScope::new();
        let mut sending = pin!(scope.run(async || send().await));
        let mut polled = poll_once(sending.as_mut()).await;
        for _ in 0..5 {
            if polled.is_pending() {
                Ticker::new().tick().await;
                polled = poll_once(sending.as_mut()).await;
            }
        }
        if let std::task::Poll::Ready(went) = polled {
            went?;
            sent += 1;
            continue;
        }
        scope.cancel();
        // It may have gone at the last moment.
        match sending.await? {
            Some(()) => sent += 1,
            None => return Ok(sent),
        }
    }
}

#[anyio::test]
async fn sending_waits_for_room_with_the_receiver_and_is_cancelled_meanwhile() -> Result<()> {
    let folder = Folder::new();
    let server = UnixDatagram::bind(folder.path("server")).await?;
    let (path, client): (&Path, _) = (&folder.path("server"), UnixDatagram::unbound()?);
    let connected = ConnectedUnixDatagram::connect(path).await?;
    // Nobody receives, so that the server's queue becomes full.
    let mut queued = fill(async || client.send_to("x", path).await).await?;
    assert!(queued > 0);
    queued += fill(async || connected.send("x").await).await?;
    // Another's queue being full is no end for either of them: they go on when there is room.
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { client.send_to("y", path).await });
        tg.start_soon(async { connected.send("y").await });
        for _ in 0..queued {
            assert_eq!(server.receive().await?.data, "x");
        }
        for _ in 0..2 {
            let packet = anyio::fail_after(Duration::from_secs(20), server.receive()).await?;
            assert_eq!(packet.data, "y");
        }
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_receive_that_was_cancelled_or_dropped_loses_nothing() -> Result<()> {
    let (one, other) = ConnectedUnixDatagram::pair()?;
    for round in 0..50_u8 {
        let mut dropped = Box::pin(other.receive());
        assert!(poll_once(dropped.as_mut()).await.is_pending());
        if round % 2 == 0 {
            Ticker::new().tick().await;
        }
        one.send([round]).await?;
        drop(dropped);
        let scope = CancelScope::new();
        scope.cancel();
        assert!(scope.run(async || other.receive().await).await?.is_none());
        let mut first = Box::pin(other.receive());
        if let std::task::Poll::Ready(packet) = poll_once(first.as_mut()).await {
            assert_eq!(packet?.data, [round]);
            continue;
        }
        assert!(matches!(other.receive().await, Err(Error::BusyResource(_))));
        assert_eq!(first.await?.data, [round]);
    }
    Ok(())
}

#[anyio::test]
async fn sockets_are_taken_over() -> Result<()> {
    let (one, other) = std::os::unix::net::UnixDatagram::pair()?;
    assert!(UnixDatagram::from_owned(one.try_clone()?.into()).is_err());
    let one = ConnectedUnixDatagram::from_owned(one.into())?;
    one.send("x").await?;
    assert_eq!(other.recv(&mut [0; 8])?, 1);
    let unbound = UnixDatagram::from_owned(std::os::unix::net::UnixDatagram::unbound()?.into())?;
    assert_eq!(unbound.local_path()?, None);
    let stream = std::os::unix::net::UnixStream::pair()?.0;
    assert!(UnixDatagram::from_owned(stream.into()).is_err());
    Ok(())
}

/// Receives without the runtime, which might make room before a send has begun to wait.
async fn take(socket: &UnixDatagram) -> String {
    let ticker = Ticker::new();
    let mut buffer = [0_u8; 10];
    loop {
        // SAFETY: the buffer is lent for the call.
        let count = unsafe {
            libc::recv(
                socket.as_fd().as_raw_fd(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                libc::MSG_DONTWAIT,
            )
        };
        if let Ok(count) = usize::try_from(count) {
            return String::from_utf8_lossy(&buffer[..count]).into_owned();
        }
        ticker.tick().await;
    }
}

#[anyio::test]
async fn what_has_waited_for_room_comes_whole() -> Result<()> {
    let folder = Folder::new();
    let server = UnixDatagram::bind(folder.path("server")).await?;
    let (path, client): (&Path, _) = (&folder.path("server"), UnixDatagram::unbound()?);
    let connected = ConnectedUnixDatagram::connect(path).await?;
    let queued = fill(async || connected.send("x").await).await?;
    task_group(async |tg| -> Result<()> {
        for _ in 0..3 {
            tg.start_soon(async { connected.send("first").await });
            // Nothing of its own is queued there, the end of which would tell it of room.
            tg.start_soon(async { client.send_to("second", path).await });
        }
        for _ in 0..5 {
            Ticker::new().tick().await;
        }
        for _ in 0..queued {
            assert_eq!(take(&server).await, "x");
        }
        let mut sent = Vec::new();
        for _ in 0..6 {
            sent.push(
                anyio::fail_after(Duration::from_secs(20), async { anyio::Ok(take(&server).await) }).await?,
            );
        }
        sent.sort();
        assert_eq!(sent, ["first", "first", "first", "second", "second", "second"]);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_socket_is_given_away_unless_something_is_being_received() -> Result<()> {
    let (ours, theirs) = ConnectedUnixDatagram::pair()?;
    let mut receiving = Box::pin(ours.receive());
    assert!(poll_once(receiving.as_mut()).await.is_pending());
    drop(receiving);
    let ours = ours.into_owned().unwrap_err();
    let bare = std::os::unix::net::UnixDatagram::from(theirs.into_owned().unwrap());
    bare.send(b"from elsewhere")?;
    assert_eq!(ours.receive().await?.data, "from elsewhere");
    Ok(())
}

#[cfg(target_os = "linux")]
#[anyio::test]
async fn names_of_any_bytes_up_to_the_longest_are_had_and_longer_ones_refused() -> Result<()> {
    use std::os::unix::ffi::OsStrExt;
    let as_path = |bytes: &[u8]| PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
    let folder = Folder::new();
    let own = folder.path("n").as_os_str().as_bytes().to_vec();
    // Of zeroes and other bytes that are no text, as unlike others' as the folder.
    let mut strange = [&[0][..], &own, b"\0\0\xff\xfe\n\0"].concat();
    let mut names = vec![strange.clone()];
    strange.resize(108, 0);
    names.push(strange.clone());
    let mut path = own.clone();
    path.resize(107, b'x');
    names.push(path.clone());
    let client = UnixDatagram::bind("").await?;
    for name in &names {
        let server = UnixDatagram::bind(as_path(name)).await?;
        assert_eq!(server.local_path()?, Some(as_path(name)));
        client.send_to("question", as_path(name)).await?;
        let question = server.receive().await?;
        server.answer(question.data, &question.from).await?;
        let answer = client.receive().await?;
        assert_eq!(answer.from_path(), Some(as_path(name)));
        client.answer("thanks", &answer.from).await?;
        assert_eq!(server.receive().await?.data, "thanks");
        // A name that only begins like it is another.
        let other = as_path(&name[..name.len() - 1]);
        assert_eq!(client.send_to("x", other).await.unwrap_err().kind(), refusal_of(name));
    }
    strange.push(1);
    path.push(b'x');
    for name in [strange, path, vec![b'y'; 70_000]] {
        for error in [
            UnixDatagram::bind(as_path(&name)).await.unwrap_err(),
            client.send_to("x", as_path(&name)).await.unwrap_err(),
            UnixListener::bind(as_path(&name)).await.unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().len() < 1_000, "{error}");
        }
    }
    Ok(())
}

/// What is said where nobody has a name.
#[cfg(target_os = "linux")]
fn refusal_of(name: &[u8]) -> ErrorKind {
    if name[0] == 0 { ErrorKind::ConnectionRefused } else { ErrorKind::NotFound }
}
