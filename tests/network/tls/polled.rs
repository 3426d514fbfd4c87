//! Receiving without a future, and sending what is taken over.

use super::wrapped;
use anyio::{
    CancelScope, Error, Result, move_on_after,
    net::{TcpStream, UnixStream},
    sleep_forever,
    streams::{
        Attributes, ByteReceiveStream, ByteSendStream, Split,
        io::{ByteReader, ByteWriter},
        tls::attribute,
    },
    task_group,
    testing::{lockstep_stream_pair, memory_stream_pair},
};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use socket2::SockRef;
use std::{
    future::poll_fn,
    io::{self, IoSlice},
    task::Poll,
    time::Duration,
};

const MOMENT: Duration = Duration::from_millis(1);

async fn write_all_soon<W: ByteSendStream + 'static>(
    writer: &mut ByteWriter<W>,
    mut rest: &[u8],
) -> io::Result<()> {
    while !rest.is_empty() {
        let count = poll_fn(|cx| writer.poll_write_soon(cx, &[IoSlice::new(rest)])).await?;
        rest = &rest[count..];
    }
    Ok(())
}

async fn flush_soon<W: ByteSendStream + 'static>(writer: &mut ByteWriter<W>) -> io::Result<()> {
    poll_fn(|cx| writer.poll_flush_soon(cx)).await
}

fn bytes(count: u32) -> Vec<u8> {
    (0..count).map(|n| (n.wrapping_mul(2_654_435_761) >> 9) as u8).collect()
}

/// Has what is written and read interrupted at each wait.
async fn check<S: Split + 'static>(streams: (S, S)) -> Result<()> {
    let (from, to) = wrapped(streams).await?;
    let data = bytes(300_000);
    let (_other, send) = from.split();
    let (mut receive, _unused) = to.split();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let mut writer = ByteWriter::new(send);
            let mut rest = &data[..];
            for length in [1, 100, 5000, 16_000, 70_000].into_iter().cycle() {
                let (piece, others) = rest.split_at(length.min(rest.len()));
                rest = others;
                let mut left = piece;
                while !left.is_empty() {
                    let scope = CancelScope::new();
                    let written = scope
                        .run(async || {
                            let mut polls = 0;
                            let write = poll_fn(|cx| {
                                polls += 1;
                                if polls == 2 {
                                    scope.cancel();
                                }
                                writer.poll_write_soon(cx, &[IoSlice::new(left)])
                            });
                            Ok::<_, Error>(write.await?)
                        })
                        .await?;
                    left = &left[written.unwrap_or(0)..];
                }
                if rest.is_empty() {
                    break;
                }
            }
            writer.close().await?;
            Ok::<_, Error>(())
        });
        let mut received = Vec::new();
        loop {
            let chunk = move_on_after(MOMENT, async { poll_fn(|cx| receive.poll_receive(cx)).await }).await;
            let chunk = match chunk {
                Ok(Some(chunk)) => chunk,
                Ok(None) => continue,
                // What is below can only receive by a future.
                Err(Error::Unsupported(_)) => receive.receive().await?,
                Err(error) => return Err(error),
            };
            let Some(chunk) = chunk else { break };
            received.extend_from_slice(&chunk);
        }
        assert!(received == data, "{} of {} bytes came as they were sent", received.len(), data.len());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn what_is_taken_over_and_polled_loses_nothing_where_it_is_cancelled() -> Result<()> {
    check(UnixStream::pair()?).await?;
    check(memory_stream_pair()).await?;
    check(lockstep_stream_pair()).await
}

#[anyio::test(calm = "who is woken since a send was interrupted has to ask")]
async fn what_was_taken_over_leaves_though_nobody_waits_for_it_and_comes_before_the_end() -> Result<()> {
    // Little, with the driver's turn; then the whole stream is closed by itself.
    let (client, mut server) = wrapped(UnixStream::pair()?).await?;
    let count =
        poll_fn(|cx| Poll::Ready(server.send_soon(cx, &[IoSlice::new(b"hel"), IoSlice::new(b"lo")]))).await?;
    assert_eq!(count, 5);
    assert_eq!(client.receive().await?.unwrap(), "hello");
    let count = poll_fn(|cx| Poll::Ready(server.send_soon(cx, &[IoSlice::new(b"more")]))).await;
    assert!(matches!(count, Err(Error::BusyResource(_))), "{count:?}");
    assert!(matches!(server.send("overtakes").await, Err(Error::BusyResource(_))));
    poll_fn(|cx| server.poll_sent(cx)).await?;
    poll_fn(|cx| Poll::Ready(server.send_soon(cx, &[IoSlice::new(b"last")]))).await?;
    let (closed, received) = futures_util::join!(server.close(), async {
        let last = client.receive().await?.unwrap();
        assert_eq!(last, "last");
        // The peer's word, and no broken connection.
        let end = client.receive().await?;
        client.close().await?;
        Ok::<_, Error>(end.is_none())
    });
    closed?;
    assert!(received?);
    Ok(())
}

#[anyio::test]
async fn what_was_taken_over_leaves_if_the_stream_goes_at_once() -> Result<()> {
    let (client, server) = wrapped(UnixStream::pair()?).await?;
    let mut writer = ByteWriter::new(server);
    write_all_soon(&mut writer, b"kept").await?;
    flush_soon(&mut writer).await?;
    drop(writer);
    let mut received = Vec::new();
    while let Ok(Some(chunk)) = client.receive().await {
        received.extend_from_slice(&chunk);
    }
    let is_chaos = std::env::var_os("ANYIO_TEST_CHAOS").is_some();
    // Under chaos there may seem to be no room.
    assert!(received == b"kept" || is_chaos && received.is_empty(), "{received:?}");
    Ok(())
}

#[anyio::test(calm = "who is woken since a send was interrupted has to ask")]
async fn much_that_was_taken_over_is_waited_for_by_a_flush() -> Result<()> {
    let (client, server) = wrapped(UnixStream::pair()?).await?;
    let data = bytes(3_000_000);
    let mut writer = ByteWriter::new(server);
    let mut taken = 0;
    // Nobody receives: there is an end to what is taken over.
    let filled = move_on_after(50 * MOMENT, async {
        while taken < data.len() {
            taken += poll_fn(|cx| writer.poll_write_soon(cx, &[IoSlice::new(&data[taken..])])).await?;
        }
        flush_soon(&mut writer).await?;
        Ok::<_, Error>(())
    });
    assert!(filled.await?.is_none());
    assert!(taken < 2_000_000, "{taken}");
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            write_all_soon(&mut writer, &data[taken..]).await?;
            flush_soon(&mut writer).await?;
            // From here on it goes by itself.
            Err::<(), Error>(sleep_forever().await.into())
        });
        let mut received = Vec::new();
        while received.len() < data.len() {
            received.extend_from_slice(&client.receive().await?.expect("more is to come"));
        }
        assert!(received == data);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn that_what_was_taken_over_is_lost_is_told_by_whatever_comes_next() -> Result<()> {
    let listener = anyio::net::TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    let (client, server) = wrapped((client, listener.accept().await?)).await?;
    let mut writer = ByteWriter::new(server);
    drop(client);
    let mut told = Ok(());
    for _ in 0..1000 {
        anyio::sleep(MOMENT).await?;
        told = match write_all_soon(&mut writer, b"lost").await {
            Ok(()) => writer.flush().await,
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
async fn what_a_peer_cannot_have_sent_is_told_to_who_polls_and_to_the_peer() -> Result<()> {
    let (one, other) = UnixStream::pair()?;
    let forger = SockRef::from(&one).try_clone().unwrap();
    let (client, server) = wrapped((one, other)).await?;
    forger.send(b"\x17\x03\x03\x00\x20this is no record of the peer...").unwrap();
    let mut reader = ByteReader::new(server);
    let mut buffer = [0; 16];
    let error = Error::from(reader.read(&mut buffer).await.unwrap_err());
    assert!(matches!(error, Error::Tls(_)), "{error:?}");
    let error = client.receive().await.unwrap_err();
    assert!(matches!(&error, Error::Tls(_)) && error.to_string().contains("refused by the peer"), "{error}");
    // It stays so.
    let again = Error::from(reader.read(&mut buffer).await.unwrap_err());
    assert!(matches!(again, Error::Tls(_)), "{again:?}");
    Ok(())
}

#[anyio::test]
async fn what_a_stream_knows_is_known_while_it_receives() -> Result<()> {
    let (_client, server) = wrapped(UnixStream::pair()?).await?;
    let mut reader = ByteReader::new(server);
    let mut buffer = [0; 16];
    let read = move_on_after(MOMENT, async { Ok::<_, Error>(reader.read(&mut buffer).await?) });
    assert!(read.await?.is_none());
    assert!(reader.extra::<attribute::Version>().is_some());
    assert!(reader.extra::<anyio::net::attribute::Family>().is_some());
    Ok(())
}
