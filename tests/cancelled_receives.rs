//! Receives and accepts cancelled at random moments: no byte and no connection is lost or doubled.
//!
//! With `ANYIO_LONG_TESTS=1` in the environment a million receives and a hundred thousand accepts are cancelled instead
//! of some thousands: `ANYIO_LONG_TESTS=1 cargo test --release --test cancelled_receives`.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]

mod peers;

use anyio::{
    CancelScope, Error, Result, lowlevel,
    net::{TcpListener, TcpStream, UnixStream},
};
use peers::{Random, byte_at, rounds, with_std_peer};
use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    io::{Read, Write},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::Poll,
    thread,
    time::Duration,
};

/// Runs a body in a scope that is cancelled after it was polled so often, unless it ends before. The more often it is
/// polled, the more turns the driver takes in between.
async fn cancelled_after<T>(polls: u64, body: impl AsyncFnOnce() -> Result<T>) -> Result<Option<T>> {
    let scope = CancelScope::new();
    let mut running = pin!(scope.run(body));
    let mut polls = polls;
    poll_fn(|cx| {
        let polled = running.as_mut().poll(cx);
        if polled.is_pending() {
            if polls == 0 {
                scope.cancel();
            } else {
                polls -= 1;
                cx.waker().wake_by_ref();
            }
        }
        polled
    })
    .await
}

/// How often to poll before cancelling: before the driver has taken a turn, about then, or after several.
fn some_polls(random: &mut Random) -> u64 {
    match random.below(8) {
        0 | 1 => random.below(4),
        // The driver takes a turn after 64 of these.
        2..=6 => 40 + random.below(50),
        _ => random.below(300),
    }
}

/// Sends numbered bytes in bits of random size until it is told to stop; gives their number.
fn send_numbered(mut peer: std::net::TcpStream, stop: Arc<AtomicBool>) -> u64 {
    let mut random = Random::new(77);
    let mut sent = 0;
    let mut buffer = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let length = if random.below(50) == 0 { 20_000 } else { 1 + random.below(600) };
        buffer.clear();
        buffer.extend((sent..sent + length).map(byte_at));
        peer.write_all(&buffer).unwrap();
        sent += length;
        if random.below(4) == 0 {
            thread::yield_now();
        }
    }
    sent
}

/// Receives numbered bytes, cancelling most receives, until so many were cancelled; then all the rest.
async fn receive_numbered(
    cancellations: usize,
    receive: impl AsyncFn(&TcpStream, u64) -> Result<Vec<u8>>,
) -> Result<()> {
    let (stream, peer) = with_std_peer().await?;
    let stop = Arc::new(AtomicBool::new(false));
    let sender = thread::spawn({
        let stop = stop.clone();
        move || send_numbered(peer, stop)
    });
    let (mut cancelled, mut position) = (0, 0);
    let mut random = Random::new(99);
    loop {
        let received = if cancelled < cancellations {
            let number = random.next();
            cancelled_after(some_polls(&mut random), async || receive(&stream, number).await).await?
        } else {
            stop.store(true, Ordering::Relaxed);
            Some(receive(&stream, random.next()).await?)
        };
        let Some(bytes) = received else {
            cancelled += 1;
            continue;
        };
        if bytes.is_empty() {
            break;
        }
        for byte in bytes {
            assert_eq!(byte, byte_at(position), "the byte at {position}, after {cancelled} cancellations");
            position += 1;
        }
    }
    assert_eq!(position, sender.join().unwrap());
    assert_eq!(cancelled, cancellations);
    drop(stream);
    Ok(())
}

async fn pooled(stream: &TcpStream, _random: u64) -> Result<Vec<u8>> {
    Ok(stream.receive().await?.map(|chunk| chunk.to_vec()).unwrap_or_default())
}

async fn into_own_buffer(stream: &TcpStream, random: u64) -> Result<Vec<u8>> {
    let buffer = Vec::with_capacity(1 + random as usize % 5_000);
    let (result, buffer) = stream.receive_into(buffer).await;
    assert_eq!(result?, buffer.len());
    Ok(buffer)
}

/// All ways to receive in turn, so that one begins where another was cancelled.
async fn mixed(stream: &TcpStream, random: u64) -> Result<Vec<u8>> {
    match (random >> 32) % 3 {
        0 => pooled(stream, random).await,
        1 => into_own_buffer(stream, random).await,
        _ => {
            let most = 1 + random as usize % 3_000;
            let chunk = stream.receive_at_most(most).await?;
            assert!(chunk.as_ref().is_none_or(|chunk| (1..=most).contains(&chunk.len())));
            Ok(chunk.map(|chunk| chunk.to_vec()).unwrap_or_default())
        }
    }
}

/// So many streams that receives go on by themselves into buffers that the kernel chooses.
fn many_streams() -> Vec<(UnixStream, UnixStream)> {
    (0..60).map(|_| UnixStream::pair().unwrap()).collect()
}

#[anyio::test]
async fn no_byte_is_lost_when_receives_are_cancelled() -> Result<()> {
    receive_numbered(rounds(50_000, 1_000_000), pooled).await
}

#[anyio::test]
async fn no_byte_is_lost_when_receives_are_cancelled_among_many_streams() -> Result<()> {
    let _others = many_streams();
    receive_numbered(rounds(50_000, 1_000_000), pooled).await
}

#[anyio::test]
async fn no_byte_is_lost_when_receives_into_own_buffers_are_cancelled() -> Result<()> {
    receive_numbered(rounds(50_000, 1_000_000), into_own_buffer).await
}

#[anyio::test]
async fn no_byte_is_lost_when_receives_of_all_kinds_are_cancelled() -> Result<()> {
    receive_numbered(rounds(20_000, 200_000), mixed).await
}

#[anyio::test]
async fn no_byte_is_lost_when_receives_of_all_kinds_are_cancelled_among_many_streams() -> Result<()> {
    let _others = many_streams();
    receive_numbered(rounds(20_000, 200_000), mixed).await
}

#[anyio::test]
async fn no_connection_is_lost_when_accepts_are_cancelled() -> Result<()> {
    let cancellations = rounds(5_000, 100_000);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let stop = Arc::new(AtomicBool::new(false));
    // The client waits for each connection's answer, so one that was lost would be missed here.
    let client = thread::spawn({
        let stop = stop.clone();
        move || {
            let mut connected = 0u64;
            while !stop.load(Ordering::Relaxed) {
                let mut stream = std::net::TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                let mut number = [0; 8];
                stream.read_exact(&mut number).expect("every connection is accepted");
                assert_eq!(u64::from_le_bytes(number), connected);
                connected += 1;
            }
            connected
        }
    });
    let mut random = Random::new(3);
    let (mut cancelled, mut accepted) = (0, 0u64);
    while !client.is_finished() {
        if cancelled >= cancellations {
            stop.store(true, Ordering::Relaxed);
        }
        match cancelled_after(some_polls(&mut random), async || listener.accept().await).await? {
            Some(stream) => {
                stream.send(accepted.to_le_bytes()).await?;
                stream.set_linger(Some(Duration::ZERO)).ok();
                // Not reset before the client has read: it closes first.
                assert!(matches!(stream.receive().await, Ok(None) | Err(Error::BrokenResource(_))));
                accepted += 1;
            }
            None => cancelled += 1,
        }
    }
    assert_eq!(client.join().unwrap(), accepted);
    assert!(accepted > 0);
    Ok(())
}

#[anyio::test]
async fn a_receive_goes_on_when_a_shield_comes_up_before_it_knows_of_its_cancellation() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    for own_buffer in [false, true] {
        let outer = CancelScope::new();
        let inner = CancelScope::new();
        let mut receive = pin!(outer.run(async || {
            inner
                .run(async || match own_buffer {
                    false => pooled(&stream, 1).await,
                    true => into_own_buffer(&stream, 1).await,
                })
                .await
        }));
        let mut polls = 0;
        let received = poll_fn(|cx| {
            let polled = receive.as_mut().poll(cx);
            if polled.is_pending() && polls == 0 {
                outer.cancel();
                inner.set_shield(true);
                polls += 1;
            } else if polled.is_pending() && polls == 1 {
                peer.write_all(b"through the shield").unwrap();
                polls += 1;
            }
            polled
        })
        .await?;
        assert!(received.flatten().is_some_and(|bytes| b"through the shield".starts_with(&bytes)));
        // What the first had in flight does not get in the way of the next.
        if !own_buffer {
            drop(cancelled_after(0, async || stream.receive_at_most(100).await).await?);
        }
    }
    Ok(())
}

#[anyio::test]
async fn a_receive_follows_its_future_into_another_scope() -> Result<()> {
    let (stream, _peer) = with_std_peer().await?;
    for own_buffer in [false, true] {
        let mut receive = pin!(async {
            match own_buffer {
                false => pooled(&stream, 1).await,
                true => into_own_buffer(&stream, 1).await,
            }
        });
        // It begins to wait in a scope that ends without it …
        CancelScope::new()
            .run(async || {
                assert!(peers::poll_once(receive.as_mut()).await.is_pending());
                Ok::<_, Error>(())
            })
            .await?;
        // … and is cancelled by the next one.
        let ended = anyio::move_on_after(Duration::from_millis(5), receive).await?;
        assert_eq!(ended, None);
    }
    Ok(())
}

#[anyio::test]
async fn a_receive_that_is_taken_into_a_cancelled_scope_is_cancelled() -> Result<()> {
    let (stream, _peer) = with_std_peer().await?;
    for own_buffer in [false, true] {
        let mut receive = pin!(async {
            match own_buffer {
                false => pooled(&stream, 1).await,
                true => into_own_buffer(&stream, 1).await,
            }
        });
        assert!(peers::poll_once(receive.as_mut()).await.is_pending());
        let scope = CancelScope::new();
        scope.cancel();
        assert!(scope.run(async || receive.await).await?.is_none());
    }
    Ok(())
}

#[anyio::test]
async fn the_waker_of_the_last_poll_is_the_one_that_is_woken() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    let receive = RefCell::new(Box::pin(stream.receive()));
    let scope = CancelScope::new();
    anyio::task_group(async |tg| -> Result<()> {
        let first = tg.start_soon(async {
            let polled = poll_fn(|cx| Poll::Ready(receive.borrow_mut().as_mut().poll(cx))).await;
            assert!(polled.is_pending());
            lowlevel::checkpoint().await?;
            Ok(())
        });
        first.await?;
        tg.start_soon(async {
            let chunk = poll_fn(|cx| receive.borrow_mut().as_mut().poll(cx)).await?;
            assert_eq!(chunk.unwrap(), "for the second task");
            scope.cancel();
            Ok(())
        });
        lowlevel::checkpoint().await?;
        peer.write_all(b"for the second task")?;
        Ok(())
    })
    .await?;
    assert!(scope.cancel_called());
    Ok(())
}

#[anyio::test]
async fn two_futures_polled_in_turn_do_not_take_each_others_bytes() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    let (mut first, mut second) = (Box::pin(stream.receive()), Box::pin(stream.receive()));
    assert!(peers::poll_once(first.as_mut()).await.is_pending());
    assert!(matches!(peers::poll_once(second.as_mut()).await, Poll::Ready(Err(Error::BusyResource(_)))));
    peer.write_all(b"one")?;
    assert_eq!(first.await?.unwrap(), "one");
    // The refused one may try again.
    peer.write_all(b"two")?;
    assert_eq!(second.await?.unwrap(), "two");
    Ok(())
}

#[anyio::test]
async fn a_finished_receive_that_is_still_there_does_not_keep_the_next_out() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    let scope = CancelScope::new();
    let mut cancelled = Box::pin(stream.receive());
    scope.cancel();
    let ended = scope
        .run(async || {
            assert!(matches!(cancelled.as_mut().await, Err(Error::Cancelled(_))));
            Ok::<_, Error>(())
        })
        .await?;
    assert_eq!(ended, Some(()));
    peer.write_all(b"next")?;
    assert_eq!(stream.receive().await?.unwrap(), "next");
    Ok(())
}

#[anyio::test]
async fn receives_that_are_dropped_whenever_a_timer_is_faster_lose_nothing() -> Result<()> {
    let (stream, peer) = with_std_peer().await?;
    let mut peer = Some(peer);
    let (mut position, mut ticks) = (0, 0);
    loop {
        let mut receive = pin!(stream.receive());
        let mut tick = pin!(anyio::sleep(Duration::from_micros(200)));
        // As `select!` does it: whichever is ready first wins, and the other is dropped.
        let received = poll_fn(|cx| match receive.as_mut().poll(cx) {
            Poll::Ready(received) => Poll::Ready(Some(received)),
            Poll::Pending => tick.as_mut().poll(cx).map(|_| None),
        })
        .await;
        match received {
            // Each tick sends a few bytes, which arrive during the next receive or between two.
            None if ticks < 100 => {
                let bytes = [0, 1, 2].map(|number| byte_at(ticks * 3 + number));
                peer.as_mut().expect("open until the hundredth tick").write_all(&bytes)?;
                ticks += 1;
            }
            None => drop(peer.take()),
            Some(received) => match received? {
                None => break,
                Some(chunk) => {
                    for &byte in &*chunk {
                        assert_eq!(byte, byte_at(position));
                        position += 1;
                    }
                }
            },
        }
    }
    assert_eq!(position, 300);
    Ok(())
}
