//! Descriptors that are passed over UNIX sockets.

use crate::peers::{Ticker, assert_receives, poll_once};
use anyio::{
    Builder, CancelScope, Chunk, Result,
    net::{ConnectedUnixDatagram, ReceivedDescriptors, UnixStream},
    task_group,
    testing::{
        chaos::{Action, Chaos, OpKind},
        test_backends,
    },
};
use std::{
    fs::File,
    io::{self, ErrorKind, Read, Write},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// The writing end of a pipe, which is closed when all that have it are.
fn pipe() -> (File, OwnedFd) {
    let (reader, writer) = io::pipe().unwrap();
    (OwnedFd::from(reader).into(), writer.into())
}

/// Whether a pipe's writing end is closed everywhere, however long that takes.
fn is_closed_everywhere(mut reader: File) -> bool {
    reader.read(&mut [0]).unwrap() == 0
}

/// Polls a receive until what was in flight before has ended, however slowly that is cancelled.
async fn settles(mut receiving: Pin<&mut impl Future>) {
    for _ in 0..4 {
        assert!(poll_once(receiving.as_mut()).await.is_pending());
        Ticker::new().tick().await;
    }
    assert!(poll_once(receiving).await.is_pending());
}

fn is_closed_on_exec(descriptor: &OwnedFd) -> bool {
    // SAFETY: only flags are read.
    let flags = unsafe { libc::fcntl(descriptor.as_raw_fd(), libc::F_GETFD) };
    flags & libc::FD_CLOEXEC != 0
}

async fn receive(stream: &UnixStream) -> Result<(Chunk, ReceivedDescriptors)> {
    Ok(stream.receive_fds(100, 10).await?.expect("the stream has not ended"))
}

/// Receives a text, in however many parts it comes, and what comes with it.
async fn receive_text(stream: &UnixStream, text: &str) -> Result<ReceivedDescriptors> {
    let (mut received, mut all) = (Vec::new(), ReceivedDescriptors::default());
    while received.len() < text.len() {
        let (data, descriptors) = receive(stream).await?;
        received.extend_from_slice(&data);
        all.owned.extend(descriptors.owned);
        all.truncated |= descriptors.truncated;
    }
    assert_eq!(received, text.as_bytes());
    Ok(all)
}

#[anyio::test]
async fn descriptors_go_over_a_stream_and_work_there() -> Result<()> {
    let (one, other) = UnixStream::pair()?;
    let (mut reader, writer) = pipe();
    one.send_fds("two ends", &[writer.as_fd(), reader.as_fd()]).await?;
    drop(writer);
    let descriptors = receive_text(&other, "two ends").await?;
    assert!(!descriptors.truncated && descriptors.owned.iter().all(is_closed_on_exec));
    let [writer, another] = <[OwnedFd; 2]>::try_from(descriptors.owned).unwrap();
    File::from(writer).write_all(b"through the pipe")?;
    let mut text = String::new();
    reader.read_to_string(&mut text)?;
    assert_eq!(text, "through the pipe");
    drop(another);
    // Bytes alone come without descriptors, and the end is the end.
    one.send("alone").await?;
    let descriptors = receive_text(&other, "alone").await?;
    assert!(descriptors.owned.is_empty() && !descriptors.truncated);
    one.send_eof().await?;
    assert!(other.receive_fds(1, 1).await?.is_none());
    Ok(())
}

#[anyio::test]
async fn descriptors_go_with_datagrams() -> Result<()> {
    let (one, other) = ConnectedUnixDatagram::pair()?;
    let (reader, writer) = pipe();
    for count in [1, 2, 253] {
        one.send_fds("x", &vec![writer.as_fd(); count]).await?;
        let (packet, descriptors) = other.receive_fds().await?;
        assert_eq!((&*packet.data, descriptors.owned.len()), (&b"x"[..], count));
        assert!(!descriptors.truncated && descriptors.owned.iter().all(is_closed_on_exec));
    }
    // Who does not want them does not get them.
    one.send_fds("y", &[writer.as_fd()]).await?;
    drop(writer);
    assert_eq!(other.receive().await?.data, "y");
    assert!(is_closed_everywhere(reader));
    Ok(())
}

#[anyio::test]
async fn what_cannot_be_sent_is_refused() -> Result<()> {
    let (one, other) = UnixStream::pair()?;
    let (_reader, writer) = pipe();
    let none: [OwnedFd; 0] = [];
    for error in [
        one.send_fds("x", &none).await.unwrap_err(),
        one.send_fds("", &[writer.as_fd()]).await.unwrap_err(),
        one.send_fds("x", &vec![writer.as_fd(); 254]).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
    one.send("still usable").await?;
    assert_receives!(other, "still usable");
    Ok(())
}

#[anyio::test]
async fn more_than_asked_for_are_closed_and_told() -> Result<()> {
    let (one, other) = UnixStream::pair()?;
    for (sent, asked) in [(2, 1), (5, 2), (4, 3)] {
        let (reader, writer) = pipe();
        one.send_fds("x", &vec![writer.as_fd(); sent]).await?;
        drop(writer);
        let (_, descriptors) = other.receive_fds(1, asked).await?.unwrap();
        assert_eq!((descriptors.owned.len(), descriptors.truncated), (asked, true));
        drop(descriptors);
        assert!(is_closed_everywhere(reader));
    }
    Ok(())
}

#[anyio::test]
async fn a_long_message_goes_whole_and_its_descriptors_with_the_first_bytes() -> Result<()> {
    let (one, other) = UnixStream::pair()?;
    let (reader, writer) = pipe();
    let data: Vec<u8> = (0..1_000_000_u32).map(|number| number as u8).collect();
    task_group(async |tg| -> Result<()> {
        let (one, writer) = (&one, &writer);
        let sent = data.clone();
        tg.start_soon(async move { one.send_fds(sent, &[writer.as_fd()]).await });
        let mut received = Vec::new();
        let (first, descriptors) = other.receive_fds(usize::MAX, 1).await?.unwrap();
        assert_eq!(descriptors.owned.len(), 1);
        received.extend_from_slice(&first);
        while received.len() < data.len() {
            received.extend_from_slice(&other.receive().await?.unwrap());
        }
        assert_eq!(received, data);
        Ok(())
    })
    .await?;
    drop(writer);
    assert!(is_closed_everywhere(reader));
    Ok(())
}

#[anyio::test]
async fn bytes_that_a_receive_in_flight_has_brought_come_first() -> Result<()> {
    let (one, other) = UnixStream::pair()?;
    let (_reader, writer) = pipe();
    for turns in 0..3 {
        let mut dropped = Box::pin(other.receive());
        assert!(poll_once(dropped.as_mut()).await.is_pending());
        for _ in 0..turns {
            Ticker::new().tick().await;
        }
        drop(dropped);
        if turns == 2 {
            one.send("before").await?;
            Ticker::new().tick().await;
            assert!(receive_text(&other, "before").await?.owned.is_empty());
        }
        // The receive in flight, which has no room for descriptors, does not get them.
        let mut receiving = pin!(other.receive_fds(100, 1));
        settles(receiving.as_mut()).await;
        one.send_fds("x", &[writer.as_fd()]).await?;
        let (data, descriptors) = receiving.await?.unwrap();
        assert_eq!((&*data, descriptors.owned.len()), (&b"x"[..], 1));
    }
    Ok(())
}

#[anyio::test]
async fn a_datagram_socket_that_is_asked_for_descriptors_only_later_gets_them_from_then_on() -> Result<()> {
    let (one, other) = ConnectedUnixDatagram::pair()?;
    let (_reader, writer) = pipe();
    let mut dropped = Box::pin(other.receive());
    assert!(poll_once(dropped.as_mut()).await.is_pending());
    Ticker::new().tick().await;
    drop(dropped);
    let mut receiving = Box::pin(other.receive_fds());
    settles(receiving.as_mut()).await;
    one.send_fds("x", &[writer.as_fd()]).await?;
    let (packet, descriptors) = receiving.await?;
    assert_eq!((&*packet.data, descriptors.owned.len()), (&b"x"[..], 1));
    Ok(())
}

/// What is dropped before it has noticed that its operation has ended must not be taken for something that has come.
#[test]
fn a_receive_that_has_ended_for_nothing_costs_no_descriptors() {
    // Kernels before Linux 6.0 do not receive messages again and again.
    let is_repeated = Arc::new(AtomicBool::new(false));
    let ends = |kinds: &'static [OpKind], error| {
        let is_repeated = is_repeated.clone();
        Chaos::none().rule(move |submission| {
            is_repeated.fetch_or(submission.kind == OpKind::ReceiveMessages, Ordering::Relaxed);
            let is_first = kinds.iter().any(|kind| submission.kind == *kind) && submission.number == 1;
            is_first.then_some(Action::FailLate { error, turns: 1 })
        })
    };
    const STREAMS: &[OpKind] = &[OpKind::Receive, OpKind::ReceivePooled];
    const DATAGRAMS: &[OpKind] = &[OpKind::ReceiveMessage, OpKind::ReceiveMessages];
    let stream = async || -> Result<()> {
        let (one, other) = UnixStream::pair()?;
        let (_reader, writer) = pipe();
        {
            let mut dropped = pin!(other.receive());
            assert!(poll_once(dropped.as_mut()).await.is_pending());
            Ticker::new().tick().await;
        }
        one.send_fds("x", &[writer.as_fd()]).await?;
        let (data, descriptors) = receive(&other).await?;
        assert_eq!((&*data, descriptors.owned.len()), (&b"x"[..], 1));
        Ok(())
    };
    let datagram = async || -> Result<()> {
        let (one, other) = ConnectedUnixDatagram::pair()?;
        let (_reader, writer) = pipe();
        {
            let mut dropped = pin!(other.receive());
            assert!(poll_once(dropped.as_mut()).await.is_pending());
            Ticker::new().tick().await;
        }
        one.send_fds("x", &[writer.as_fd()]).await?;
        let (packet, descriptors) = other.receive_fds().await?;
        assert_eq!((&*packet.data, descriptors.owned.len()), (&b"x"[..], 1));
        Ok(())
    };
    for backend in test_backends() {
        let run = |chaos| Builder::new().backend(backend).chaos(chaos);
        run(ends(STREAMS, libc::EINTR)).run(async || stream().await).unwrap().unwrap();
        run(ends(DATAGRAMS, libc::EINTR)).run(async || datagram().await).unwrap().unwrap();
        // Only where the driver chooses buffers it can lack them.
        if is_repeated.swap(false, Ordering::Relaxed) {
            run(ends(&[OpKind::ReceiveMessages], libc::ENOBUFS))
                .run(async || datagram().await)
                .unwrap()
                .unwrap();
        }
    }
}

#[anyio::test(calm = "what it looks at has to be received before it is asked for")]
async fn a_datagram_that_had_come_before_anybody_asked_for_descriptors_says_that_they_are_lost() -> Result<()>
{
    let (one, other) = ConnectedUnixDatagram::pair()?;
    let (reader, writer) = pipe();
    let mut dropped = Box::pin(other.receive());
    assert!(poll_once(dropped.as_mut()).await.is_pending());
    Ticker::new().tick().await;
    one.send_fds("early", &[writer.as_fd()]).await?;
    drop(writer);
    Ticker::new().tick().await;
    drop(dropped);
    let (packet, descriptors) = other.receive_fds().await?;
    assert_eq!(packet.data, "early");
    assert!(descriptors.owned.is_empty() && descriptors.truncated);
    assert!(is_closed_everywhere(reader));
    Ok(())
}

#[anyio::test]
async fn descriptors_of_a_cancelled_receive_come_with_the_next() -> Result<()> {
    let (one, other) = ConnectedUnixDatagram::pair()?;
    let (stream, peer) = UnixStream::pair()?;
    for turns in 0..3 {
        let (reader, writer) = pipe();
        let scope = CancelScope::new();
        let mut running = Box::pin(scope.run(async || other.receive_fds().await));
        assert!(poll_once(running.as_mut()).await.is_pending());
        for _ in 0..turns {
            Ticker::new().tick().await;
        }
        one.send_fds("x", &[writer.as_fd()]).await?;
        scope.cancel();
        let (packet, descriptors) = match running.await? {
            Some(received) => received,
            None => other.receive_fds().await?,
        };
        assert_eq!((&*packet.data, descriptors.owned.len()), (&b"x"[..], 1));
        let scope = CancelScope::new();
        let mut running = Box::pin(scope.run(async || receive(&peer).await));
        assert!(poll_once(running.as_mut()).await.is_pending());
        for _ in 0..turns {
            Ticker::new().tick().await;
        }
        stream.send_fds("x", &[writer.as_fd()]).await?;
        scope.cancel();
        let (data, more) = match running.await? {
            Some(received) => received,
            None => receive(&peer).await?,
        };
        assert_eq!((&*data, more.owned.len()), (&b"x"[..], 1));
        drop((writer, descriptors, more));
        assert!(is_closed_everywhere(reader));
    }
    Ok(())
}
