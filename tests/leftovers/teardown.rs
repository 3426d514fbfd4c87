//! Runs that end with everything in flight, and streams that outlive them.

use crate::peers::{
    Blackhole, Ticker, alone, assert_descriptors, lock, open_descriptors, poll_once, with_std_peer,
};
use anyio::{
    Builder, CancelScope, Error, Result, lowlevel,
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sleep_forever, task_group,
    testing::test_backends,
};
use std::{
    cell::RefCell,
    future::Future,
    io::{Read, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Waker},
    time::Duration,
};

/// Has one of everything under way: receives of both kinds, sends that block, accepts, connects, timers.
async fn everything_in_flight(body: impl AsyncFn(&Ticker) -> Result<()>) -> Result<()> {
    let ticker = Ticker::new();
    let blackhole = Blackhole::new();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let data = Rc::<[u8]>::from(vec![7; 8 << 20]);
    let mut streams = Vec::new();
    for _ in 0..40 {
        streams.push(with_std_peer().await?);
    }
    task_group(async |tg| -> Result<()> {
        for (number, (stream, _)) in streams.iter().enumerate() {
            if number % 2 == 0 {
                tg.start_soon(async { stream.receive().await.map(drop) });
            } else {
                tg.start_soon(async { stream.receive_into(vec![0; 4096]).await.0.map(drop) });
            }
            tg.start_soon(async { stream.send(data.clone()).await });
        }
        tg.start_soon(async { listener.accept().await.map(drop) });
        for _ in 0..3 {
            tg.start_soon(async { TcpStream::connect(blackhole.address).await.map(drop) });
        }
        tg.start_soon(async { Err::<(), _>(sleep_forever().await.into()) });
        ticker.tick().await;
        body(&ticker).await
    })
    .await?;
    Ok(())
}

#[test]
fn a_run_ends_while_everything_is_in_flight() {
    alone(async || {
        let mut running = pin!(everything_in_flight(async |_| Err(sleep_forever().await.into())));
        let ticker = Ticker::new();
        for _ in 0..10_000 {
            assert!(poll_once(running.as_mut()).await.is_pending());
            ticker.tick().await;
            if lowlevel::statistics().operations_in_flight > 80 {
                break;
            }
        }
        // 40 receives, 40 sends, an accept and 3 connects.
        assert!(lowlevel::statistics().operations_in_flight > 80);
        // The main future returns, and drops it all.
        Ok(())
    });
}

#[test]
fn everything_in_flight_is_cancelled_at_once() {
    alone(async || {
        let scope = CancelScope::new();
        let ended = scope
            .run(async || {
                everything_in_flight(async |_| {
                    scope.cancel();
                    Err(sleep_forever().await.into())
                })
                .await
            })
            .await?;
        assert!(ended.is_none());
        Ticker::new().tick().await;
        assert_eq!(lowlevel::statistics().operations_in_flight, 0);
        Ok(())
    });
}

/// Runs a test on each back end, while no other test of this binary runs.
fn on_each_backend(test: impl Fn(&Builder)) {
    let _lock = lock();
    for backend in test_backends() {
        test(&Builder::new().backend(backend));
    }
}

#[test]
fn a_panic_ends_a_run_while_everything_is_in_flight() {
    on_each_backend(|builder| {
        let before = open_descriptors();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            builder.run(async || everything_in_flight(async |_| panic!("in the midst of it")).await)
        }));
        assert_eq!(panic_text(ended.unwrap_err()), "in the midst of it");
        assert_descriptors(before, "one that panicked");
    });
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("dropped");
        }
    }
}

#[test]
fn a_panic_while_the_main_future_is_dropped_still_tears_the_run_down() {
    on_each_backend(|builder| {
        let memory = Rc::<[u8]>::from(vec![7; 8 << 20]);
        let ended = catch_unwind(AssertUnwindSafe(|| {
            builder.run(async || {
                let (stream, peer) = with_std_peer().await.unwrap();
                let _bomb = Bomb;
                let mut send = Box::pin(stream.send(memory.clone()));
                let mut receive = Box::pin(stream.receive_into(vec![0; 100]));
                assert!(poll_once(send.as_mut()).await.is_pending());
                assert!(poll_once(receive.as_mut()).await.is_pending());
                Ticker::new().tick().await;
                drop(peer.try_clone());
            })
        }));
        assert_eq!(ended.unwrap_err().downcast_ref(), Some(&"dropped"));
        assert_eq!(Rc::strong_count(&memory), 1, "what was being sent is let go of");
    });
}

#[test]
fn a_stream_that_outlives_its_run_is_closed_when_it_is_dropped() {
    on_each_backend(|builder| {
        for in_flight in [false, true] {
            let (stream, mut peer) = builder
                .run(async || {
                    let (stream, peer) = with_std_peer().await.unwrap();
                    if in_flight {
                        assert!(poll_once(pin!(stream.receive())).await.is_pending());
                        Ticker::new().tick().await;
                    }
                    (stream, peer)
                })
                .unwrap();
            peer.write_all(b"unheard").unwrap();
            drop(stream);
            // The end, or a reset because of what was not received.
            assert!(!matches!(peer.read(&mut [0; 10]), Ok(1..)));
        }
    });
}

#[test]
fn a_listener_that_outlives_its_run_closes_what_was_accepted_for_it() {
    on_each_backend(|builder| {
        let (listener, mut client) = builder
            .run(async || {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let ticker = Ticker::new();
                assert!(poll_once(pin!(listener.accept())).await.is_pending());
                ticker.tick().await;
                let client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                ticker.tick().await;
                (listener, client)
            })
            .unwrap();
        drop(listener);
        client.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
        let read = client.read(&mut [0; 10]);
        assert!(
            matches!(&read, Ok(0))
                || read.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset),
            "{read:?}"
        );
    });
}

fn panic_text(payload: Box<dyn std::any::Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => *text,
        Err(payload) => payload.downcast_ref::<&str>().map(|text| text.to_string()).unwrap_or_default(),
    }
}

#[test]
fn a_stream_with_a_receive_in_flight_is_of_no_use_to_another_run() {
    on_each_backend(|builder| {
        let (stream, _peer) = builder
            .run(async || {
                let (stream, peer) = with_std_peer().await.unwrap();
                assert!(poll_once(pin!(stream.receive())).await.is_pending());
                Ticker::new().tick().await;
                (stream, peer)
            })
            .unwrap();
        let used = catch_unwind(AssertUnwindSafe(|| builder.run(async || stream.receive().await.map(drop))));
        let text = panic_text(used.unwrap_err());
        assert!(text.contains("in another run"), "{text}");
    });
}

#[test]
fn a_future_that_began_in_one_run_is_of_no_use_to_another() {
    on_each_backend(|builder| {
        let (stream, _peer) = builder.run(async || with_std_peer().await.unwrap()).unwrap();
        let mut receive = Box::pin(stream.receive_into(vec![0; 10]));
        builder
            .run(async || {
                assert!(poll_once(receive.as_mut()).await.is_pending());
                Ticker::new().tick().await;
            })
            .unwrap();
        let used = catch_unwind(AssertUnwindSafe(|| {
            builder.run(async || poll_once(receive.as_mut()).await.is_pending())
        }));
        let text = panic_text(used.unwrap_err());
        assert!(text.contains("in another run"), "{text}");
        // Dropping it outside, and in yet another run, is harmless.
        drop(receive);
        builder.run(async || drop(stream)).unwrap();
    });
}

#[test]
fn streams_are_of_no_use_outside_of_a_run() {
    let _lock = lock();
    let (stream, _peer) = anyio::run(async || with_std_peer().await.unwrap());
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    let used = catch_unwind(AssertUnwindSafe(|| {
        let _ = std::future::Future::poll(pin!(stream.receive()), &mut context);
    }));
    assert!(panic_text(used.unwrap_err()).contains("no anyio runtime on this thread"));
    assert!(matches!(TcpStream::from_owned(stream.into_owned().unwrap()), Err(Error::Io(_))));
    assert!(UnixStream::pair().is_err());
}

#[test]
fn listeners_and_halves_that_outlive_their_run_are_closed() {
    on_each_backend(|builder| {
        let before = open_descriptors();
        let left = builder
            .run(async || {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let path = std::env::temp_dir().join(format!("anyio-outlives-{}", std::process::id()));
                let unix = UnixListener::bind(&path).await.unwrap();
                let client = UnixStream::connect(&path).await.unwrap();
                std::fs::remove_file(&path).unwrap();
                let accepted = unix.accept().await.unwrap();
                assert!(poll_once(pin!(listener.accept())).await.is_pending());
                assert!(poll_once(pin!(unix.accept())).await.is_pending());
                Ticker::new().tick().await;
                (listener, unix, client.split(), accepted.split())
            })
            .unwrap();
        drop(left);
        assert_descriptors(before, "one that was outlived");
    });
}

type Waiting = Pin<Box<dyn Future<Output = ()>>>;

/// A receive of what nobody sends, begun.
fn receiving() -> Result<Waiting> {
    let (one, other) = UnixStream::pair()?;
    let mut receiving: Waiting = Box::pin(async move {
        drop(one.receive_into(vec![0; 10]).await);
        drop(other);
    });
    assert!(receiving.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    Ok(receiving)
}

thread_local! {
    static BEGUN_LATE: RefCell<Option<Waiting>> = const { RefCell::new(None) };
}

#[test]
fn what_is_begun_while_a_run_is_torn_down_is_cancelled_too() {
    let _lock = lock();
    for backend in test_backends() {
        let before = open_descriptors();
        let first = Builder::new()
            .backend(backend)
            .teardown_limit(Duration::from_secs(5))
            .run(async || {
                let token = lowlevel::current_token().expect("this is a run");
                // It is called in the next turn, and that is one of the teardown.
                assert!(token.run_soon(|| BEGUN_LATE.set(Some(receiving().unwrap()))));
                receiving()
            })
            .unwrap();
        assert!(BEGUN_LATE.take().is_some(), "the function was not called");
        drop(first);
        assert_descriptors(before, backend);
    }
}
