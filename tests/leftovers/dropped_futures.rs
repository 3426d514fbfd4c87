//! Futures of operations dropped half-way: whatever they had reached, descriptors and memory come back.

use crate::peers::{
    Blackhole, Ticker, alone, alone_with, assert_receives, open_descriptors, poll_once, settle, with_std_peer,
};
use anyio::{
    Backend, Builder, IoBuf, IoBufMut, Result, lowlevel,
    net::{TcpListener, TcpStream},
};
use std::{
    future::Future,
    io::{Read, Write},
    pin::Pin,
    rc::Rc,
    task::Poll,
};

/// A buffer of which it is known how many there are.
struct Counted {
    bytes: Vec<u8>,
    _count: Rc<()>,
}

// SAFETY: the vector keeps the contract.
unsafe impl IoBuf for Counted {
    fn pointer(&self) -> *const u8 {
        self.bytes.pointer()
    }

    fn length(&self) -> usize {
        self.bytes.length()
    }
}

// SAFETY: the vector keeps the contract.
unsafe impl IoBufMut for Counted {
    fn pointer_mut(&mut self) -> *mut u8 {
        self.bytes.pointer_mut()
    }

    fn capacity(&self) -> usize {
        IoBufMut::capacity(&self.bytes)
    }

    unsafe fn set_filled(&mut self, length: usize) {
        // SAFETY: the caller's promise.
        unsafe { self.bytes.set_filled(length) };
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Unpolled,
    /// Polled once; the driver has not taken a turn since.
    Queued,
    /// The kernel has it, and has not answered if the operation waits for something.
    Submitted,
    /// The answer is there, and the future does not know yet.
    Answered,
}

const STAGES: [Stage; 4] = [Stage::Unpolled, Stage::Queued, Stage::Submitted, Stage::Answered];

/// What an operation is done on.
struct Field {
    stream: TcpStream,
    peer: std::net::TcpStream,
    listener: TcpListener,
    blackhole: Blackhole,
    count: Rc<()>,
}

impl Field {
    async fn new() -> Result<Self> {
        let (stream, peer) = with_std_peer().await?;
        peer.set_nonblocking(true)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        Ok(Self { stream, peer, listener, blackhole: Blackhole::new(), count: Rc::new(()) })
    }

    fn buffer(&self, length: usize) -> Counted {
        Counted { bytes: vec![7; length], _count: self.count.clone() }
    }
}

type Dropped<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Makes a future, brings it to a stage and drops it, with everything it was done on or, where that still works, before.
async fn drop_at_each_stage(
    make: impl for<'a> Fn(&'a Field) -> Dropped<'a>,
    answer: impl AsyncFn(&Field, &Ticker),
) -> Result<()> {
    let ticker = Ticker::new();
    ticker.tick().await;
    let before = (lowlevel::statistics(), open_descriptors());
    for stage in STAGES {
        let field = Field::new().await?;
        let mut future = make(&field);
        if stage != Stage::Unpolled {
            let polled = poll_once(future.as_mut()).await;
            // What does not have to wait is done at once on the poll back end.
            assert!(polled.is_pending() || anyio::current_backend() == Some(Backend::Poll), "{stage:?}");
        }
        if matches!(stage, Stage::Submitted | Stage::Answered) {
            ticker.tick().await;
        }
        if stage == Stage::Answered {
            answer(&field, &ticker).await;
            ticker.tick().await;
        }
        drop(future);
        let count = Rc::downgrade(&field.count);
        drop(field);
        ticker.tick().await;
        settle(&ticker, before.0).await;
        assert_eq!(count.strong_count(), 0, "buffers after {stage:?}");
        assert_eq!(open_descriptors(), before.1, "descriptors after {stage:?}");
    }
    Ok(())
}

fn boxed<'a, T>(future: impl Future<Output = T> + 'a) -> Dropped<'a> {
    Box::pin(async {
        future.await;
    })
}

async fn peer_sends(field: &Field, _ticker: &Ticker) {
    (&field.peer).write_all(b"answer").unwrap();
}

async fn by_itself(_field: &Field, _ticker: &Ticker) {}

#[test]
fn a_dropped_receive() {
    alone(async || drop_at_each_stage(|field| boxed(field.stream.receive()), peer_sends).await);
}

#[test]
fn a_dropped_receive_at_most() {
    alone(async || drop_at_each_stage(|field| boxed(field.stream.receive_at_most(2)), peer_sends).await);
}

#[test]
fn a_dropped_receive_into() {
    alone(async || {
        drop_at_each_stage(|field| boxed(field.stream.receive_into(field.buffer(64))), peer_sends).await
    });
}

#[test]
fn a_dropped_send() {
    alone(async || {
        drop_at_each_stage(|field| boxed(field.stream.send_buf(field.buffer(64))), by_itself).await
    });
}

#[test]
fn a_dropped_send_some() {
    alone(async || {
        drop_at_each_stage(|field| boxed(field.stream.send_some(field.buffer(64))), by_itself).await
    });
}

#[test]
fn a_dropped_send_on_a_full_socket() {
    const LENGTH: usize = 8 << 20;
    let calm = Builder::new().calm("what is sent in parts is not sent on by a future that nobody polls");
    alone_with(&calm, async || {
        drop_at_each_stage(
            |field| boxed(field.stream.send_buf(field.buffer(LENGTH))),
            async |field, ticker| {
                let mut buffer = vec![0; 1 << 20];
                let mut received = 0;
                while received < LENGTH {
                    match (&field.peer).read(&mut buffer) {
                        Ok(count) => received += count,
                        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => ticker.tick().await,
                        Err(error) => panic!("{error}"),
                    }
                }
            },
        )
        .await
    });
}

#[test]
fn a_dropped_accept() {
    alone(async || {
        drop_at_each_stage(
            |field| boxed(field.listener.accept()),
            async |field, _ticker| {
                drop(std::net::TcpStream::connect(field.listener.local_addr().unwrap()).unwrap());
            },
        )
        .await
    });
}

#[test]
fn a_dropped_connect() {
    alone(async || {
        drop_at_each_stage(|field| boxed(TcpStream::connect(field.listener.local_addr().unwrap())), by_itself)
            .await
    });
}

#[test]
fn a_dropped_connect_that_nobody_answers() {
    alone(async || {
        drop_at_each_stage(|field| boxed(TcpStream::connect(field.blackhole.address)), by_itself).await
    });
}

#[test]
fn a_dropped_connect_to_several_addresses() {
    alone(async || {
        drop_at_each_stage(
            |field| {
                let addresses = vec![field.blackhole.address, field.listener.local_addr().unwrap()];
                boxed(async move { TcpStream::connect(addresses).await })
            },
            by_itself,
        )
        .await
    });
}

#[test]
fn a_dropped_send_eof() {
    alone(async || drop_at_each_stage(|field| boxed(field.stream.send_eof()), by_itself).await);
}

/// Closing takes the stream, so it is taken out of the run's hands at each stage.
async fn drop_close_at_each_stage(receiving: bool) -> Result<()> {
    let ticker = Ticker::new();
    ticker.tick().await;
    let before = (lowlevel::statistics(), open_descriptors());
    for stage in STAGES {
        let (stream, mut peer) = with_std_peer().await?;
        if receiving {
            let mut receive = Box::pin(stream.receive());
            assert!(poll_once(receive.as_mut()).await.is_pending());
            ticker.tick().await;
        }
        let mut close = Box::pin(stream.close());
        let mut over = false;
        if stage != Stage::Unpolled {
            over = poll_once(close.as_mut()).await.is_ready();
        }
        if matches!(stage, Stage::Submitted | Stage::Answered) {
            ticker.tick().await;
        }
        if stage == Stage::Answered && !over {
            let _: Poll<_> = poll_once(close.as_mut()).await;
            ticker.tick().await;
        }
        drop(close);
        ticker.tick().await;
        settle(&ticker, before.0).await;
        assert_eq!(peer.read(&mut [0]).unwrap(), 0, "the peer sees the end after {stage:?}");
        drop(peer);
        assert_eq!(open_descriptors(), before.1, "descriptors after {stage:?}");
    }
    Ok(())
}

#[test]
fn a_dropped_close() {
    alone(async || drop_close_at_each_stage(false).await);
}

#[test]
fn a_dropped_close_while_a_receive_is_in_flight() {
    alone(async || drop_close_at_each_stage(true).await);
}

#[test]
fn dropped_receives_of_many_streams() {
    // With so many streams one operation goes on and lets the kernel choose the buffers.
    alone(async || {
        let ticker = Ticker::new();
        ticker.tick().await;
        let before = (lowlevel::statistics(), open_descriptors());
        let mut fields = Vec::new();
        for _ in 0..120 {
            fields.push(with_std_peer().await?);
        }
        for (number, (stream, peer)) in fields.iter_mut().enumerate() {
            let mut receive = Box::pin(stream.receive());
            if number % 4 > 0 {
                assert!(poll_once(receive.as_mut()).await.is_pending());
            }
            if number % 4 > 1 {
                ticker.tick().await;
            }
            if number % 4 > 2 {
                peer.write_all(b"answer")?;
                ticker.tick().await;
            }
        }
        drop((fields, ticker));
        // The one before had a receive going on by itself, too.
        let ticker = Ticker::new();
        ticker.tick().await;
        settle(&ticker, before.0).await;
        assert_eq!(open_descriptors(), before.1);
        Ok(())
    });
}

#[test]
fn a_receive_dropped_after_its_answer_leaves_the_bytes_to_the_next() {
    alone(async || {
        let ticker = Ticker::new();
        let (stream, mut peer) = with_std_peer().await?;
        {
            let mut receive = Box::pin(stream.receive());
            assert!(poll_once(receive.as_mut()).await.is_pending());
            peer.write_all(b"first")?;
            ticker.tick().await;
        }
        peer.write_all(b"second")?;
        ticker.tick().await;
        let mut received = Vec::new();
        while received.len() < 11 {
            received.extend_from_slice(&stream.receive().await?.unwrap());
        }
        assert_eq!(received, b"firstsecond");
        Ok(())
    });
}

#[test]
fn an_accept_dropped_after_its_answer_leaves_the_connection_to_the_next() {
    alone(async || {
        let ticker = Ticker::new();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let client = {
            let mut accept = Box::pin(listener.accept());
            assert!(poll_once(accept.as_mut()).await.is_pending());
            let client = std::net::TcpStream::connect(listener.local_addr()?)?;
            ticker.tick().await;
            client
        };
        assert_eq!(listener.accept().await?.peer_addr()?, client.local_addr()?);
        Ok(())
    });
}

#[test]
fn ten_thousand_operations_are_cancelled_at_once_on_a_small_ring() {
    let limit = crate::peers::raise_descriptor_limit();
    let streams = 10_000.min(limit as usize - 200) / 2 * 2;
    alone_with(&anyio::Builder::new().ring_entries(8), async || {
        let mut ends = Vec::new();
        for _ in 0..streams / 2 {
            let (one, other) = anyio::net::UnixStream::pair()?;
            ends.extend([one, other]);
        }
        let scope = anyio::CancelScope::new();
        let cancelled = scope
            .run(async || {
                anyio::task_group(async |tg| -> Result<()> {
                    for end in &ends {
                        tg.start_soon(async move {
                            let (result, buffer) = end.receive_into(vec![0; 16]).await;
                            assert_eq!(buffer.len(), 16);
                            result.map(drop)
                        });
                    }
                    while lowlevel::statistics().operations_in_flight < ends.len() {
                        anyio::sleep(std::time::Duration::ZERO).await?;
                    }
                    Ticker::new().tick().await;
                    scope.cancel();
                    Ok(())
                })
                .await
            })
            .await?;
        assert!(matches!(cancelled, None | Some(Some(()))), "{cancelled:?}");
        assert_eq!(lowlevel::statistics().operations_in_flight, 0);
        Ok(())
    });
}

#[test]
fn nine_thousand_receives_are_cancelled_at_once() {
    let limit = crate::peers::raise_descriptor_limit();
    let pairs = 9_000.min((limit as usize - 200) / 2);
    alone(async || {
        let ticker = Ticker::new();
        let mut streams = Vec::new();
        for _ in 0..pairs {
            streams.push(anyio::net::UnixStream::pair()?);
        }
        let scope = anyio::CancelScope::new();
        let cancelled = std::cell::Cell::new(0);
        scope
            .run(async || {
                anyio::task_group(async |tg| -> Result<()> {
                    for (one, _other) in &streams {
                        let cancelled = &cancelled;
                        tg.start_soon(async move {
                            let error = one.receive().await.unwrap_err();
                            assert!(matches!(error, anyio::Error::Cancelled(_)));
                            cancelled.set(cancelled.get() + 1);
                            Err::<(), _>(error)
                        });
                    }
                    ticker.tick().await;
                    scope.cancel();
                    Ok(())
                })
                .await
            })
            .await?;
        assert_eq!(cancelled.get(), pairs);
        // They all still work.
        for (one, other) in streams.iter().step_by(1_000) {
            other.send("still here").await?;
            assert_receives!(one, "still here");
        }
        Ok(())
    });
}

#[test]
fn a_million_timers_are_cancelled_at_once() {
    alone(async || {
        let scope = anyio::CancelScope::new();
        scope
            .run(async || {
                let mut sleeps: Vec<_> = (0..1_000_000)
                    .map(|n| anyio::sleep(std::time::Duration::from_millis(3_600_000 + n)))
                    .collect();
                std::future::poll_fn(|cx| {
                    for sleep in &mut sleeps {
                        assert!(Pin::new(sleep).poll(cx).is_pending());
                    }
                    Poll::Ready(())
                })
                .await;
                assert!(lowlevel::statistics().waits >= 1_000_000);
                scope.cancel();
                for sleep in sleeps {
                    assert!(sleep.await.is_err());
                }
                Ok::<_, anyio::Error>(())
            })
            .await?;
        Ok(())
    });
}
