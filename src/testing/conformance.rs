//! What every stream of bytes has to do.

use crate::{
    error::{Error, Result},
    group::task_group,
    scope::CancelScope,
    streams::{ByteReceiveStream, ByteSendStream, ByteStream},
    sync::Event,
    testing::wait_all_tasks_blocked,
};

/// Checks that a pair of streams, of which one sends to the other, does what the traits promise. `make` gives a new pair
/// each time; what the receiver gets is ended by `send_eof`, if the stream can do it, and by dropping the sending stream.
///
/// # Errors
/// Those of the streams, where none is expected.
///
/// # Panics
/// If the streams break a promise.
pub async fn check_one_way_stream<S, R>(make: impl AsyncFn() -> Result<(S, R)>) -> Result<()>
where
    S: ByteSendStream,
    R: ByteReceiveStream,
{
    check_pieces(&mut make().await?).await?;
    check_waiting(&mut make().await?).await?;
    check_cancellation(&mut make().await?).await?;
    let (sender, receiver) = make().await?;
    check_volume(sender, receiver).await?;
    let (sender, receiver) = make().await?;
    check_sending_some(sender, receiver).await?;
    let (sender, receiver) = make().await?;
    check_broken(sender, receiver).await?;
    check_cancelled_send(&mut make().await?).await?;
    let (sender, receiver) = make().await?;
    check_broken_send(sender, receiver).await
}

/// Checks both directions of a pair of connected streams, as [`check_one_way_stream`] does, and that they do not hold each
/// other up.
///
/// # Errors
/// Those of the streams, where none is expected.
///
/// # Panics
/// If the streams break a promise.
pub async fn check_two_way_stream<S: ByteStream>(make: impl AsyncFn() -> Result<(S, S)>) -> Result<()> {
    check_one_way_stream(&make).await?;
    check_one_way_stream(async || make().await.map(|(one, other)| (other, one))).await?;
    // Closing works in a cancelled scope, and the other side notices.
    let (one, mut other) = make().await?;
    let scope = CancelScope::new();
    scope.cancel();
    // That the close was cancelled while it waited may be told or not; the stream is closed.
    scope.run(async || one.close().await).await?;
    match other.receive().await {
        // A stream with a sign of its own for a good end tells that it has not come.
        Ok(None) | Err(Error::BrokenResource(_)) => Ok(()),
        received => panic!("a closed stream gives {received:?} to the other side"),
    }
}

/// Checks a pair of connected streams as [`check_two_way_stream`] does, and that the end of one direction leaves the other
/// open.
///
/// # Errors
/// Those of the streams, where none is expected.
///
/// # Panics
/// If the streams break a promise.
pub async fn check_half_closeable_stream<S: ByteStream>(
    make: impl AsyncFn() -> Result<(S, S)>,
) -> Result<()> {
    check_two_way_stream(&make).await?;
    let (mut one, mut other) = make().await?;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            one.send("last").await?;
            one.send_eof().await?;
            one.send_eof().await?;
            let refused = one.send("more").await;
            assert!(matches!(refused, Err(Error::ClosedResource)), "sending after the end gives {refused:?}");
            Ok::<_, Error>(())
        });
        assert_eq!(receive_all(&mut other).await?, b"last", "what was sent comes before the end");
        Ok(())
    })
    .await?;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            other.send("reply").await?;
            other.send_eof().await
        });
        assert_eq!(receive_all(&mut one).await?, b"reply", "the other direction stays open");
        Ok(())
    })
    .await?;
    one.close().await?;
    other.close().await
}

async fn receive_all(receiver: &mut impl ByteReceiveStream) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(chunk) = receiver.receive().await? {
        assert!(!chunk.is_empty(), "an empty chunk was received");
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

async fn check_pieces((sender, receiver): &mut (impl ByteSendStream, impl ByteReceiveStream)) -> Result<()> {
    // A stream need not hold anything: what is sent may have to wait until it is received.
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let (result, data) = sender.send_buf(b"abcdef".to_vec()).await;
            result?;
            assert_eq!(data, b"abcdef", "the buffer comes back as it was");
            sender.send(Vec::new()).await
        });
        // A stream may give less than it could.
        let mut first = Vec::new();
        while first.len() < 2 {
            let Some(chunk) = receiver.receive_at_most(2 - first.len()).await? else {
                panic!("{first:?} is not all")
            };
            first.extend_from_slice(&chunk);
            assert!(!chunk.is_empty() && first.len() <= 2, "at most two bytes were asked for");
        }
        assert_eq!(first, b"ab");
        let (result, buffer) = receiver.receive_into(Vec::with_capacity(1)).await;
        assert_eq!((result?, &buffer[..]), (1, &b"c"[..]), "the buffer has room for one byte");
        let (result, buffer) = receiver.receive_exactly_into(vec![0; 3].into_boxed_slice()).await;
        result?;
        assert_eq!(&buffer[..], b"def");
        Ok(())
    })
    .await?;
    Ok(())
}

async fn check_waiting((sender, receiver): &mut (impl ByteSendStream, impl ByteReceiveStream)) -> Result<()> {
    let received = Event::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let chunk = receiver.receive().await?;
            assert_eq!(chunk.as_deref(), Some(&b"x"[..]));
            received.set();
            Ok::<_, Error>(())
        });
        wait_all_tasks_blocked().await?;
        assert!(!received.is_set(), "something was received before it was sent");
        sender.send("x").await
    })
    .await?;
    assert!(received.is_set());
    Ok(())
}

async fn check_cancellation(
    (sender, receiver): &mut (impl ByteSendStream, impl ByteReceiveStream),
) -> Result<()> {
    let scope = CancelScope::new();
    scope.cancel();
    assert!(scope.run(async || sender.send("never").await).await?.is_none(), "sent in a cancelled scope");
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        let receiving = tg.start_soon(async { scope.run(async || receiver.receive().await).await });
        wait_all_tasks_blocked().await?;
        scope.cancel();
        assert!(receiving.await?.is_none(), "a receive that waits is cancelled");
        Ok(())
    })
    .await?;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { sender.send("ab").await });
        wait_all_tasks_blocked().await?;
        let scope = CancelScope::new();
        scope.cancel();
        assert!(
            scope.run(async || receiver.receive().await).await?.is_none(),
            "received in a cancelled scope"
        );
        let (result, buffer) = receiver.receive_exactly_into(vec![0; 2].into_boxed_slice()).await;
        result?;
        assert_eq!(&buffer[..], b"ab", "a cancelled receive takes nothing");
        Ok(())
    })
    .await?;
    Ok(())
}

async fn check_volume(mut sender: impl ByteSendStream, mut receiver: impl ByteReceiveStream) -> Result<()> {
    let data: Vec<u8> = (0..1_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let sent = data.clone();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async move {
            for piece in sent.chunks(70_001) {
                sender.send(piece.to_vec()).await?;
            }
            end(sender).await
        });
        assert!(receive_all(&mut receiver).await? == data, "not what was sent was received");
        assert!(receiver.receive().await?.is_none(), "the end is the end");
        Ok(())
    })
    .await?;
    Ok(())
}

async fn end(mut sender: impl ByteSendStream) -> Result<()> {
    match sender.send_eof().await {
        Err(Error::Unsupported(_)) => Ok(()),
        ended => ended,
    }
}

async fn check_sending_some(
    mut sender: impl ByteSendStream,
    mut receiver: impl ByteReceiveStream,
) -> Result<()> {
    let piece: Vec<u8> = (0..65_521u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
    let (mut sent, scope) = (0, CancelScope::new());
    task_group(async |tg| -> Result<()> {
        let sending = tg.start_soon(async {
            let ran = scope.run(async || -> Result<()> {
                while sent < MUCH {
                    let (result, rest) = sender.send_some(piece[sent % piece.len()..].to_vec()).await;
                    let count = result?;
                    assert!((1..=rest.len()).contains(&count), "{count} of {} bytes were sent", rest.len());
                    sent += count;
                }
                Ok(())
            });
            ran.await.map(drop)
        });
        wait_all_tasks_blocked().await?;
        scope.cancel();
        sending.await?;
        Ok(())
    })
    .await?;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async move {
            sender.send("behind a cancelled send").await?;
            end(sender).await
        });
        let mut expected = piece.repeat(sent / piece.len() + 1);
        expected.truncate(sent);
        expected.extend_from_slice(b"behind a cancelled send");
        let received = receive_all(&mut receiver).await?;
        assert!(
            received == expected,
            "{sent} bytes were said to be sent before, and {} came",
            received.len()
        );
        Ok(())
    })
    .await?;
    Ok(())
}

async fn check_broken(mut sender: impl ByteSendStream, receiver: impl ByteReceiveStream) -> Result<()> {
    drop(receiver);
    // What the operating system has room for may be taken before the loss of the other side is known.
    for _ in 0..10_000 {
        match sender.send(vec![0; 65_536]).await {
            Ok(()) => crate::lowlevel::checkpoint().await?,
            Err(Error::BrokenResource(_)) => return Ok(()),
            Err(error) => panic!("sending to nobody gives {error:?}"),
        }
    }
    panic!("sending to nobody goes on for ever");
}

/// More than operating systems hold for a stream.
const MUCH: usize = 32 << 20;

async fn check_cancelled_send(
    (sender, _receiver): &mut (impl ByteSendStream, impl ByteReceiveStream),
) -> Result<()> {
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        // A stream without bounds takes it all; another one waits, and that can be cancelled.
        let sending = tg.start_soon(async { scope.run(async || sender.send(vec![0; MUCH]).await).await });
        wait_all_tasks_blocked().await?;
        let waits = !sending.is_finished();
        scope.cancel();
        let sent = sending.await?;
        assert!(!waits || sent.is_none(), "a send that waits is cancelled");
        Ok(())
    })
    .await?;
    Ok(())
}

async fn check_broken_send(mut sender: impl ByteSendStream, receiver: impl ByteReceiveStream) -> Result<()> {
    task_group(async |tg| -> Result<()> {
        let sending = tg.start_soon(async {
            let result = sender.send(vec![0; MUCH]).await;
            Ok::<_, Error>(result)
        });
        wait_all_tasks_blocked().await?;
        let waits = !sending.is_finished();
        drop(receiver);
        match sending.await? {
            Err(Error::BrokenResource(_)) => {}
            Ok(()) if !waits => {}
            result => panic!("a send whose receiver goes gives {result:?}"),
        }
        Ok(())
    })
    .await?;
    Ok(())
}
