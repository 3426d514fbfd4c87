//! Writes that are only taken over, and reads without a future.

use anyio::{
    CancelScope, Error, Result, foreign,
    lowlevel::checkpoint,
    move_on_after,
    net::{TcpStream, UnixStream},
    sleep,
    streams::{
        BufferedByteStream, ByteReceiveStream, ByteSendStream,
        io::{ByteReader, ByteWriter},
    },
    task_group,
};
use bytes::BufMut;
use futures_util::{AsyncReadExt, AsyncWriteExt};
use socket2::SockRef;
use std::{
    cell::Cell,
    future::{Future, poll_fn},
    io::{self, IoSlice},
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};

async fn write_soon<W: ByteSendStream + 'static>(
    writer: &mut ByteWriter<W>,
    bytes: &[u8],
) -> io::Result<usize> {
    poll_fn(|cx| writer.poll_write_soon(cx, &[IoSlice::new(bytes)])).await
}

async fn write_all_soon<W: ByteSendStream + 'static>(
    writer: &mut ByteWriter<W>,
    mut rest: &[u8],
) -> io::Result<()> {
    while !rest.is_empty() {
        let count = write_soon(writer, rest).await?;
        rest = &rest[count..];
    }
    Ok(())
}

async fn flush_soon<W: ByteSendStream + 'static>(writer: &mut ByteWriter<W>) -> io::Result<()> {
    poll_fn(|cx| writer.poll_flush_soon(cx)).await
}

/// Whether the system does all that it may: receives come in pieces, and cancels come late.
pub(crate) fn is_chaos() -> bool {
    std::env::var_os("ANYIO_TEST_CHAOS").is_some()
}

/// Receives these bytes, as they come.
pub(crate) async fn assert_receives(
    bytes: &[u8],
    mut receive: impl AsyncFnMut() -> Result<Option<anyio::Chunk>>,
) -> Result<()> {
    let mut received = Vec::new();
    while received.len() < bytes.len() {
        received.extend_from_slice(&receive().await?.expect("more is to come"));
    }
    assert_eq!(received, bytes);
    Ok(())
}

async fn tcp_pair() -> Result<(TcpStream, TcpStream)> {
    let listener = anyio::net::TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    Ok((client, listener.accept().await?))
}

#[anyio::test]
async fn what_was_taken_over_arrives_in_order_though_nobody_waits_for_it() -> Result<()> {
    let (client, server) = tcp_pair().await?;
    let (_receive, send) = server.split();
    let mut writer = ByteWriter::new(send);
    let mut expected = Vec::new();
    for number in 0..300_u32 {
        // Little and much in turn.
        let length = if number % 7 == 0 { 20_000 } else { number as usize };
        let bytes = vec![number as u8; length];
        expected.extend_from_slice(&bytes);
        let mut rest = &bytes[..];
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                while !rest.is_empty() {
                    let count = write_soon(&mut writer, rest).await?;
                    rest = &rest[count..];
                }
                flush_soon(&mut writer).await?;
                // This task would have to be polled again if less was sent.
                writer.flush().await?;
                Ok(())
            });
            let mut left = bytes.len();
            while left > 0 {
                let chunk = client.receive_at_most(left).await?.expect("it goes on");
                assert!(chunk.iter().all(|&byte| byte == number as u8));
                left -= chunk.len();
            }
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[anyio::test]
async fn a_task_is_not_polled_again_for_what_was_taken_over_and_sent() -> Result<()> {
    let (client, server) = UnixStream::pair()?;
    let (_receive, send) = server.split();
    let mut writer = ByteWriter::new(send);
    let polls = Cell::new(0);
    let mut has_written = false;
    task_group(async |tg| -> Result<()> {
        let writing = foreign(poll_fn(|cx| -> Poll<()> {
            polls.set(polls.get() + 1);
            if !has_written {
                has_written = true;
                let written = writer.poll_write_soon(cx, &[IoSlice::new(b"h")]);
                assert!(matches!(written, Poll::Ready(Ok(1))), "{written:?}");
            }
            let flushed = writer.poll_flush_soon(cx);
            assert!(matches!(flushed, Poll::Ready(Ok(()))) || is_chaos(), "{flushed:?}");
            Poll::Pending
        }));
        let writing = tg.start_soon(async { Ok(writing.await?) });
        assert_receives(b"h", async || client.receive().await).await?;
        for _ in 0..5 {
            sleep(Duration::from_millis(1)).await?;
        }
        // Under chaos a send may be short, and is gone on with.
        assert!(polls.get() == 1 || is_chaos(), "polled {} times", polls.get());
        writing.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn what_was_taken_over_is_sent_although_the_scope_is_cancelled_and_nobody_asks() -> Result<()> {
    let (client, server) = tcp_pair().await?;
    let mut writer = ByteWriter::new(server);
    let scope = CancelScope::new();
    scope
        .run(async || -> Result<()> {
            write_all_soon(&mut writer, b"kept").await?;
            flush_soon(&mut writer).await?;
            scope.cancel();
            checkpoint().await?;
            Ok(())
        })
        .await?;
    assert_receives(b"kept", async || client.receive().await).await?;
    writer.close().await?;
    Ok(())
}

#[anyio::test]
async fn a_flush_that_is_strict_waits_and_gives_the_stream_back() -> Result<()> {
    let (client, server) = UnixStream::pair()?;
    let mut writer = ByteWriter::new(server);
    write_all_soon(&mut writer, b"hello").await?;
    writer.flush().await?;
    let server = writer.into_inner().expect("nothing is to be sent");
    server.send(" again").await?;
    drop(server);
    let mut received = Vec::new();
    while let Some(chunk) = client.receive().await? {
        received.extend_from_slice(&chunk);
    }
    assert_eq!(received, b"hello again");
    Ok(())
}

#[anyio::test]
async fn what_was_taken_over_leaves_also_if_the_stream_goes_at_once() -> Result<()> {
    let everything = async |client: &UnixStream| -> Result<Vec<u8>> {
        let mut received = Vec::new();
        while let Some(chunk) = client.receive().await? {
            received.extend_from_slice(&chunk);
        }
        Ok(received)
    };
    // Under chaos there may seem to be no room.
    let expect = |received: &[u8], sent: &[u8]| {
        assert!(received == sent || is_chaos() && sent.starts_with(received), "{received:?}");
    };
    // A half, the whole, and a stream that is closed.
    let (client, server) = UnixStream::pair()?;
    let (receive, send) = server.split();
    let mut writer = ByteWriter::new(send);
    write_soon(&mut writer, b"half").await?;
    drop((writer, receive));
    expect(&everything(&client).await?, b"half");

    let (client, server) = UnixStream::pair()?;
    let mut writer = ByteWriter::new(server);
    write_soon(&mut writer, b"whole").await?;
    drop(writer);
    expect(&everything(&client).await?, b"whole");

    let (client, mut server) = UnixStream::pair()?;
    let count = poll_fn(|cx| Poll::Ready(server.send_soon(cx, &[IoSlice::new(b"closed")]))).await;
    if !matches!(count, Err(Error::Unsupported(_))) {
        assert_eq!(count?, 6);
        assert!(matches!(server.send("overtakes").await, Err(Error::BusyResource(_))));
        server.close().await?;
        expect(&everything(&client).await?, b"closed");
    }

    let (client, server) = UnixStream::pair()?;
    let mut writer = ByteWriter::new(server);
    write_all_soon(&mut writer, b"shut").await?;
    writer.close().await?;
    assert_eq!(everything(&client).await?, b"shut");
    Ok(())
}

/// Fills what the kernel has room for, and gives how much that was.
pub(crate) fn fill(stream: &UnixStream) -> usize {
    let mut filled = 0;
    while let Ok(count) = SockRef::from(stream).send_with_flags(&[b'f'; 4096], libc::MSG_DONTWAIT) {
        filled += count;
    }
    filled
}

#[anyio::test]
async fn no_more_than_some_is_taken_over_and_a_cancelled_write_loses_nothing() -> Result<()> {
    /// Of which no two are taken over together.
    const PIECE: usize = 3000;

    let (client, server) = UnixStream::pair()?;
    let filled = fill(&server);
    let mut writer = ByteWriter::new(server);
    let scope = CancelScope::new();
    scope
        .run(async || -> Result<()> {
            let mut written = 0;
            let waits = move_on_after(Duration::from_millis(20), async {
                for _ in 0..3 {
                    written += write_soon(&mut writer, &[b'p'; PIECE]).await?;
                    flush_soon(&mut writer).await?;
                }
                anyio::Ok(())
            })
            .await;
            assert!(matches!(waits, Ok(None)), "a peer that reads nothing holds writes up");
            assert_eq!(written, PIECE, "one piece was taken over");
            scope.cancel();
            let refused = write_soon(&mut writer, b"refused").await.map_err(Error::from);
            assert!(matches!(refused, Err(Error::Cancelled(_))), "{refused:?}");
            Ok(())
        })
        .await?;
    let mut received = Vec::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            write_all_soon(&mut writer, b"end").await?;
            writer.close().await?;
            Ok(())
        });
        while let Some(chunk) = client.receive().await? {
            received.extend_from_slice(&chunk);
        }
        Ok(())
    })
    .await?;
    let rest = &received[filled..];
    assert!(
        rest.starts_with(&[b'p'; PIECE]) && rest.ends_with(b"end") && rest.len() == PIECE + 3,
        "{}",
        rest.len()
    );
    Ok(())
}

#[anyio::test]
async fn what_is_taken_over_before_the_next_turn_leaves_together_and_in_order() -> Result<()> {
    // Enough streams for any system to take something over.
    let _others = [UnixStream::pair()?, UnixStream::pair()?];
    let (client, mut server) = UnixStream::pair()?;
    let pieces = [&b"one"[..], b"", b"two", b"three"];
    poll_fn(|cx| -> Poll<Result<()>> {
        for piece in pieces {
            assert_eq!(server.send_soon(cx, &[IoSlice::new(piece)])?, piece.len());
        }
        let too_much = server.send_soon(cx, &[IoSlice::new(&[0; 4090])]);
        assert!(matches!(too_much, Err(Error::BusyResource(_))), "{too_much:?}");
        Poll::Ready(Ok(()))
    })
    .await?;
    poll_fn(|cx| server.poll_sent(cx)).await?;
    if !is_chaos() {
        assert_eq!(client.receive().await?.as_deref(), Some(&b"onetwothree"[..]));
    }
    // From now on others can be sent.
    server.send("end").await?;
    let rest = if is_chaos() { &b"onetwothreeend"[..] } else { b"end" };
    assert_receives(rest, async || client.receive().await).await
}

#[anyio::test]
async fn who_sends_in_another_way_goes_behind_what_has_left() -> Result<()> {
    let _others = [UnixStream::pair()?, UnixStream::pair()?];
    let (client, mut server) = UnixStream::pair()?;
    poll_fn(|cx| Poll::Ready(server.send_soon(cx, &[IoSlice::new(b"first")]))).await?;
    for refused in [server.send("overtakes").await, server.send_eof().await] {
        assert!(matches!(refused, Err(Error::BusyResource(_))), "{refused:?}");
    }
    assert_receives(b"first", async || client.receive().await).await?;
    server.send("second").await?;
    server.send_eof().await?;
    assert_receives(b"second", async || client.receive().await).await?;
    assert!(client.receive().await?.is_none());
    Ok(())
}

#[anyio::test]
async fn a_failure_wakes_who_has_had_it_sent_and_is_told_once() -> Result<()> {
    let _others = [UnixStream::pair()?, UnixStream::pair()?];
    let (client, mut server) = UnixStream::pair()?;
    let filled = fill(&server);
    let mut is_sent = false;
    let failed = task_group(async |tg| -> Result<_> {
        let sending = tg.start_soon(async {
            let told = foreign(poll_fn(|cx| -> Poll<Result<bool>> {
                if !is_sent {
                    is_sent = true;
                    assert_eq!(server.send_soon(cx, &[IoSlice::new(b"lost")])?, 4);
                }
                match server.poll_sent_or_sending(cx) {
                    Poll::Ready(Ok(false)) => Poll::Pending,
                    told => told,
                }
            }))
            .await?;
            anyio::Ok((
                told.map_err(|error| error.kind()),
                server.send("again").await.map_err(|error| error.kind()),
            ))
        });
        sleep(Duration::from_millis(5)).await?;
        assert!(filled > 0);
        drop(client);
        Ok(sending.await?)
    })
    .await?;
    let (told, again) = failed.expect("nobody cancels it");
    let is_broken =
        |kind: io::ErrorKind| matches!(kind, io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset);
    assert!(told.is_err_and(is_broken), "{told:?}");
    assert!(again.is_err_and(is_broken), "{again:?}");
    Ok(())
}

#[anyio::test]
async fn what_finds_no_room_is_given_up_with_its_stream_so_that_nothing_holds_the_descriptor() -> Result<()> {
    let _others = [UnixStream::pair()?, UnixStream::pair()?];
    for is_closed in [false, true] {
        let (client, mut server) = UnixStream::pair()?;
        let filled = fill(&server);
        poll_fn(|cx| Poll::Ready(server.send_soon(cx, &[IoSlice::new(b"stuck")]))).await?;
        sleep(Duration::from_millis(2)).await?;
        match is_closed {
            true => server.close().await?,
            false => drop(server),
        }
        let mut received = 0;
        while let Some(chunk) = client.receive().await? {
            received += chunk.len();
        }
        assert_eq!(received, filled);
    }
    Ok(())
}

#[test]
fn what_was_taken_over_as_a_run_ended_is_sent_though_the_stream_is_kept() {
    use std::{io::Read, os::unix::net::UnixStream as StdStream};

    for backend in anyio::testing::test_backends() {
        let (mut client, server) = StdStream::pair().unwrap();
        let _kept = anyio::Builder::new()
            .backend(backend)
            .run(async || -> Result<_> {
                let others = [UnixStream::pair()?, UnixStream::pair()?];
                let mut server = UnixStream::from_owned(server.into())?;
                poll_fn(|cx| Poll::Ready(server.send_soon(cx, &[IoSlice::new(b"last")]))).await?;
                Ok((server, others))
            })
            .unwrap()
            .unwrap();
        let mut received = [0; 4];
        client.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        client.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"last");
    }
}

#[anyio::test]
async fn what_finds_no_room_goes_on_by_itself_though_its_task_is_not_polled_again() -> Result<()> {
    // Enough streams for any system to take something over.
    let others = [UnixStream::pair()?, UnixStream::pair()?];
    let (client, server) = UnixStream::pair()?;
    let filled = fill(&server);
    let mut writer = ByteWriter::new(server);
    let polls = Cell::new(0);
    let mut is_written = false;
    task_group(async |tg| -> Result<()> {
        let writing = foreign(poll_fn(|cx| -> Poll<io::Result<()>> {
            polls.set(polls.get() + 1);
            if !is_written {
                is_written = true;
                assert!(matches!(
                    writer.poll_write_soon(cx, &[IoSlice::new(&[b'p'; 100])]),
                    Poll::Ready(Ok(100))
                ));
            }
            match writer.poll_flush_soon(cx) {
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                _ => Poll::Pending,
            }
        }));
        let writing = tg.start_soon(async { Ok(writing.await??) });
        sleep(Duration::from_millis(5)).await?;
        let mut received = Vec::new();
        while received.len() < filled + 100 {
            received.extend_from_slice(&client.receive().await?.expect("more is to come"));
        }
        assert_eq!(received[filled..], [b'p'; 100]);
        assert!(polls.get() == 1 || is_chaos(), "polled {} times", polls.get());
        writing.cancel();
        Ok(())
    })
    .await?;
    drop(others);
    Ok(())
}

#[anyio::test]
async fn what_went_wrong_with_what_was_taken_over_is_told_by_the_next_call() -> Result<()> {
    let (client, server) = UnixStream::pair()?;
    let mut writer = ByteWriter::new(server);
    drop(client);
    let mut told = Ok(());
    for _ in 0..3 {
        told = match write_soon(&mut writer, b"lost").await {
            Ok(_) => writer.flush().await,
            Err(error) => Err(error),
        };
        if told.is_err() {
            break;
        }
    }
    assert!(matches!(told.map_err(Error::from), Err(Error::BrokenResource(_))));
    Ok(())
}

#[anyio::test]
async fn a_receive_that_is_polled_gives_way_to_one_by_a_future_and_takes_over_from_it() -> Result<()> {
    let (client, server) = UnixStream::pair()?;
    let mut server = BufferedByteStream::new(server);
    let poll = |server: &mut BufferedByteStream<UnixStream>, cx: &mut Context<'_>| server.poll_receive(cx);
    poll_fn(|cx| {
        assert!(poll(&mut server, cx).is_pending());
        assert!(poll(&mut server, cx).is_pending());
        Poll::Ready(())
    })
    .await;
    client.send("one").await?;
    assert_receives(b"one", async || ByteReceiveStream::receive(&mut server).await).await?;
    {
        let mut receiving = pin!(ByteReceiveStream::receive(&mut server));
        poll_fn(|cx| {
            assert!(receiving.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    client.send("two").await?;
    assert_receives(b"two", async || poll_fn(|cx| poll(&mut server, cx)).await).await?;
    drop(client);
    assert!(poll_fn(|cx| poll(&mut server, cx)).await?.is_none());
    Ok(())
}

#[anyio::test]
async fn a_polled_receive_is_cancelled_and_loses_nothing() -> Result<()> {
    let (client, mut server) = UnixStream::pair()?;
    let timed_out = move_on_after(Duration::from_millis(5), async {
        poll_fn(|cx| server.poll_receive(cx)).await.map(drop)
    })
    .await?;
    assert!(timed_out.is_none());
    let scope = CancelScope::new();
    scope.cancel();
    scope
        .run(async || -> Result<()> {
            let refused = poll_fn(|cx| server.poll_receive(cx)).await;
            assert!(matches!(refused, Err(Error::Cancelled(_))));
            Ok(())
        })
        .await?;
    client.send("kept").await?;
    checkpoint().await?;
    let mut reader = ByteReader::new(server);
    let mut buffer = [0; 4];
    reader.read_exact(&mut buffer).await?;
    assert_eq!(&buffer, b"kept");
    client.send("more").await?;
    let mut room = bytes::BytesMut::with_capacity(16).limit(16);
    while room.get_ref().len() < 4 {
        poll_fn(|cx| reader.poll_read_buf(cx, &mut room)).await?;
    }
    assert_eq!(&room.get_ref()[..], b"more");
    let (mut server, rest) = reader.into_inner();
    assert!(rest.is_none());
    client.send("again").await?;
    assert_receives(b"again", async || poll_fn(|cx| server.poll_receive(cx)).await).await
}

/// Like a client that asks once more and then reads nothing, until there is no room: then nothing else happens here.
#[anyio::test]
async fn what_finds_no_room_is_sent_when_there_is_some_though_nothing_else_happens() -> Result<()> {
    use std::{
        io::{Read, Write},
        os::unix::net::UnixStream as StdStream,
        thread,
        time::Instant,
    };
    const PIECE: usize = 2000;

    let (client, server) = StdStream::pair()?;
    let server = UnixStream::from_owned(server.into())?;
    let asking = thread::spawn(move || -> io::Result<(usize, usize)> {
        let mut client = client;
        client.set_read_timeout(Some(Duration::from_secs(20)))?;
        let waiting = |client: &StdStream| {
            let mut count: libc::c_int = 0;
            // SAFETY: the kernel writes a number there.
            unsafe { libc::ioctl(std::os::fd::AsRawFd::as_raw_fd(client), libc::FIONREAD, &raw mut count) };
            count as usize
        };
        let mut asked = 0;
        let mut answered = 0;
        loop {
            client.write_all(b"?")?;
            asked += 1;
            let begun = Instant::now();
            while waiting(&client) < asked * PIECE && begun.elapsed() < Duration::from_millis(300) {
                thread::sleep(Duration::from_millis(1));
            }
            if waiting(&client) < asked * PIECE {
                break;
            }
        }
        let mut buffer = vec![0; 65536];
        while answered < asked * PIECE {
            match client.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => answered += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok((asked * PIECE, answered))
    });
    let (receive, send) = server.split();
    let mut reader = ByteReader::new(receive);
    let mut writer = ByteWriter::new(send);
    let mut owed = 0;
    foreign(poll_fn(|cx| -> Poll<io::Result<()>> {
        loop {
            while owed > 0 {
                match writer.poll_write_soon(cx, &[IoSlice::new(&[b'a'; PIECE][..owed])])? {
                    Poll::Ready(count) => owed -= count,
                    Poll::Pending => return Poll::Pending,
                }
            }
            let _ = writer.poll_flush_soon(cx)?;
            let mut byte = [0; 1];
            match futures_util::io::AsyncRead::poll_read(std::pin::Pin::new(&mut reader), cx, &mut byte)? {
                Poll::Ready(0) => return Poll::Ready(Ok(())),
                Poll::Ready(_) => owed = PIECE,
                Poll::Pending => return Poll::Pending,
            }
        }
    }))
    .await??;
    let (expected, answered) = asking.join().expect("it does not panic")?;
    assert_eq!(answered, expected);
    Ok(())
}
