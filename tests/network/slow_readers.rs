//! Readers that do not keep up with their peers.

use crate::peers::{Ticker, assert_receives, byte_at, with_std_peer};
use anyio::{
    Chunk, Result, lowlevel,
    net::{TcpStream, UnixStream},
    task_group,
};
use std::{
    io::Write,
    os::fd::{AsFd, AsRawFd},
    thread,
};

/// How many bytes the kernel has for a stream.
fn unread(stream: &TcpStream) -> i32 {
    let mut count = 0;
    // SAFETY: the kernel writes one int.
    assert_eq!(unsafe { libc::ioctl(stream.as_fd().as_raw_fd(), libc::FIONREAD, &mut count) }, 0);
    count
}

/// A stream that was flooded with this many bytes, by a thread that may still be at it.
fn flood(mut peer: std::net::TcpStream, total: u64) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut sent = 0;
        while sent < total {
            let length = (total - sent).min(3_000);
            let bytes: Vec<_> = (sent..sent + length).map(byte_at).collect();
            peer.write_all(&bytes).unwrap();
            sent += length;
        }
    })
}

#[anyio::test]
async fn a_stream_stops_receiving_when_its_reader_does_not_keep_up() -> Result<()> {
    let _others: Vec<_> = (0..60).map(|_| UnixStream::pair().unwrap()).collect();
    let ticker = Ticker::new();
    ticker.tick().await;
    let before = lowlevel::statistics().waits;
    let (stream, mut peer) = with_std_peer().await?;
    assert!(crate::peers::poll_once(std::pin::pin!(stream.receive())).await.is_pending());
    let mut most = 0;
    for _ in 0..60 {
        peer.write_all(&[7; 1_000])?;
        ticker.tick().await;
        most = most.max(lowlevel::statistics().waits - before);
    }
    // Eight results, and what comes before the operation has stopped.
    assert!(most <= 16, "{most} results were kept");
    let mut received = 0;
    while received < 60_000 {
        received += stream.receive().await?.unwrap().len();
    }
    Ok(())
}

#[anyio::test]
async fn others_go_on_while_a_stream_is_flooded_whose_reader_sleeps() -> Result<()> {
    const TOTAL: u64 = 8 << 20;
    let others: Vec<_> = (0..60).map(|_| UnixStream::pair().unwrap()).collect();
    let ticker = Ticker::new();
    let (stream, peer) = with_std_peer().await?;
    // It begins to receive, and then does not look any more.
    assert!(crate::peers::poll_once(std::pin::pin!(stream.receive())).await.is_pending());
    let sender = flood(peer, TOTAL);
    // Until it has stopped receiving, and bytes pile up in the kernel.
    let mut turns_since = 0;
    while turns_since < 50 {
        turns_since += usize::from(unread(&stream) > 20_000);
        ticker.tick().await;
        let (one, other) = &others[0];
        one.send("meanwhile").await?;
        assert_receives!(other, "meanwhile");
    }
    let mut position = 0;
    while let Some(chunk) = stream.receive().await? {
        for &byte in &*chunk {
            assert_eq!(byte, byte_at(position));
            position += 1;
        }
    }
    assert_eq!(position, TOTAL);
    sender.join().unwrap();
    Ok(())
}

#[anyio::test]
async fn a_flooded_stream_that_is_dropped_gives_its_buffers_back() -> Result<()> {
    let _others: Vec<_> = (0..60).map(|_| UnixStream::pair().unwrap()).collect();
    let ticker = Ticker::new();
    ticker.tick().await;
    let before = lowlevel::statistics();
    let (stream, mut peer) = with_std_peer().await?;
    assert!(crate::peers::poll_once(std::pin::pin!(stream.receive())).await.is_pending());
    for _ in 0..50 {
        peer.write_all(&[7; 1_000])?;
        ticker.tick().await;
    }
    drop(stream);
    crate::peers::settle(&ticker, before).await;
    Ok(())
}

#[anyio::test]
async fn a_flooded_stream_that_is_closed_gives_its_buffers_back() -> Result<()> {
    let _others: Vec<_> = (0..60).map(|_| UnixStream::pair().unwrap()).collect();
    let ticker = Ticker::new();
    ticker.tick().await;
    let before = lowlevel::statistics();
    let (stream, mut peer) = with_std_peer().await?;
    assert!(crate::peers::poll_once(std::pin::pin!(stream.receive())).await.is_pending());
    for _ in 0..50 {
        peer.write_all(&[7; 1_000])?;
        ticker.tick().await;
    }
    stream.close().await?;
    crate::peers::settle(&ticker, before).await;
    Ok(())
}

#[anyio::test]
async fn a_cancellation_reaches_a_receive_whose_operation_was_just_stopped() -> Result<()> {
    let _others: Vec<_> = (0..60).map(|_| UnixStream::pair().unwrap()).collect();
    let ticker = Ticker::new();
    for polls in 0..60 {
        let (stream, mut peer) = with_std_peer().await?;
        assert!(crate::peers::poll_once(std::pin::pin!(stream.receive())).await.is_pending());
        for _ in 0..12 {
            peer.write_all(&[7; 1_000])?;
            ticker.tick().await;
        }
        // The operation has been stopped. All is taken, and the next receive begins another.
        let scope = anyio::CancelScope::new();
        let mut left = 12_000;
        let mut turns = 0;
        let ended = anyio::fail_after(std::time::Duration::from_secs(10), async {
            scope
                .run(async || {
                    task_group(async |tg| -> Result<()> {
                        tg.start_soon(async {
                            while turns < polls {
                                turns += 1;
                                lowlevel::checkpoint().await?;
                            }
                            scope.cancel();
                            Ok(())
                        });
                        loop {
                            left -= stream.receive().await?.unwrap().len();
                        }
                    })
                    .await
                })
                .await?;
            Ok::<_, anyio::Error>(())
        })
        .await;
        assert!(ended.is_ok(), "{ended:?}");
        while left > 0 {
            left -= stream.receive().await?.unwrap().len();
        }
    }
    Ok(())
}

#[anyio::test(receive_buffers = 8)]
async fn streams_go_on_when_all_buffers_are_held() -> Result<()> {
    const STREAMS: usize = 200;
    const ROUNDS: usize = 5;
    let pairs: Vec<_> = (0..STREAMS).map(|_| UnixStream::pair().unwrap()).collect();
    let mut held: Vec<Vec<Chunk>> = Vec::new();
    for round in 0..ROUNDS {
        // All wait, then all are sent to, and everybody keeps what it gets.
        let received = std::cell::RefCell::new(Vec::new());
        task_group(async |tg| -> Result<()> {
            for (number, (one, _)) in pairs.iter().enumerate() {
                let received = &received;
                tg.start_soon(async move {
                    let mut parts: Vec<Chunk> = Vec::new();
                    let expected = format!("{round} {number}");
                    while parts.iter().map(|part| part.len()).sum::<usize>() < expected.len() {
                        parts.push(one.receive().await?.unwrap());
                    }
                    assert!(parts.iter().flat_map(|part| part.iter()).eq(expected.as_bytes()));
                    received.borrow_mut().extend(parts);
                    Ok(())
                });
            }
            lowlevel::checkpoint().await?;
            for (number, (_, other)) in pairs.iter().enumerate() {
                other.send(format!("{round} {number}")).await?;
            }
            Ok(())
        })
        .await?;
        let received = received.into_inner();
        assert!(received.len() >= STREAMS);
        held.push(received);
    }
    assert!(lowlevel::statistics().buffers_in_use >= STREAMS * ROUNDS);
    Ok(())
}
