//! How guests begin and end.

use super::{host, is_pending, on_each};
use anyio::{Builder, CancelAware, Result, net::TcpListener, task_group};
use std::{
    cell::Cell,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

#[test]
fn a_panic_comes_out_after_everything_was_torn_down() {
    on_each(|builder| {
        let host = host();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            host.block_on(anyio_tokio::guest(builder, async || -> () {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let mut accepting = pin!(listener.accept());
                assert!(is_pending(accepting.as_mut()).await);
                tokio::task::yield_now().await;
                panic!("in the midst");
            }))
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"in the midst"));
        assert_eq!(host.block_on(anyio_tokio::guest(builder, async || 1)).unwrap(), 1);
    });
}

#[test]
fn a_guest_that_is_dropped_half_way_leaves_nothing_behind() {
    on_each(|builder| {
        host().block_on(async {
            let address = Cell::new(None);
            let guest = anyio_tokio::guest(builder, async || -> Result<()> {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                address.set(Some(listener.local_addr()?));
                task_group(async |group| -> Result<()> {
                    group.start_soon(async { listener.accept().await.map(drop) });
                    Ok(())
                })
                .await?;
                Ok(())
            });
            let given_up = tokio::time::timeout(Duration::from_millis(50), guest).await;
            assert!(given_up.is_err());
            let address = address.get().expect("the guest was polled");
            // Nobody listens any more, and the thread is free.
            assert!(std::net::TcpStream::connect(address).is_err());
            let next = anyio_tokio::guest(builder, async || anyio::sleep(Duration::from_millis(1)).await);
            next.await.unwrap().unwrap();
        });
    });
}

#[test]
fn a_thread_has_one_run_at_a_time() {
    on_each(|builder| {
        host()
            .block_on(anyio_tokio::guest(builder, async || {
                let refused = anyio_tokio::guest(&Builder::new(), async || ()).await.unwrap_err();
                assert!(refused.to_string().contains("runs on this thread already"), "{refused}");
                let from_outside = tokio::task::spawn_local(async {
                    let refused = Builder::new().run(async || ()).unwrap_err();
                    refused.to_string()
                });
                assert!(from_outside.await.unwrap().contains("runs on this thread already"));
            }))
            .unwrap();
    });
}

#[test]
fn a_guest_that_is_never_polled_has_begun_nothing() {
    on_each(|builder| {
        let guest = anyio_tokio::guest(builder, async || -> () { unreachable!("nobody polls") });
        drop(guest);
        assert_eq!(builder.run(async || 1).unwrap(), 1);
    });
}

#[test]
fn a_guest_that_is_forgotten_keeps_its_thread_and_harms_nobody() {
    on_each(|builder| {
        let builder = builder.clone();
        std::thread::spawn(move || {
            let host = host();
            host.block_on(async {
                let mut guest = Box::pin(anyio_tokio::guest(&builder, async || anyio::sleep_forever().await));
                assert!(is_pending(guest.as_mut()).await);
                std::mem::forget(guest);
                // What uses the forgotten run waits for ever, and can be dropped.
                let sleep = anyio::sleep(Duration::from_millis(1));
                assert!(tokio::time::timeout(Duration::from_millis(20), sleep).await.is_err());
                assert!(builder.run(async || ()).is_err());
            });
        })
        .join()
        .unwrap();
    });
}

#[test]
fn without_tokio_around_it_a_guest_panics_and_leaves_the_thread_free() {
    on_each(|builder| {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let guest = pin!(anyio_tokio::guest(builder, async || ()));
            let polled: Poll<_> = guest.poll(&mut Context::from_waker(Waker::noop()));
            polled.is_ready()
        }));
        assert!(panicked.is_err());
        assert_eq!(builder.run(async || 1).unwrap(), 1);
    });
}

#[test]
fn the_first_interrupt_cancels_a_guest() {
    // SAFETY: no handler is replaced. Whoever started the tests may have it ignored, and then runs leave it alone.
    unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
    on_each(|builder| {
        let builder = builder.clone().interrupt(anyio::signal::Interrupt::Cancel);
        let ended = anyio_tokio::run(&builder, async || {
            tokio::task::spawn_local(async {
                tokio::time::sleep(Duration::from_millis(10)).await;
                // SAFETY: the run handles the first signal of this kind.
                unsafe { libc::raise(libc::SIGINT) };
            });
            anyio::foreign(std::future::pending::<()>()).await
        });
        assert!(ended.unwrap().is_err_and(|cancelled| cancelled.is_cancelled()));
    });
}

#[test]
fn threads_wake_a_guest_that_rests() {
    on_each(|builder| {
        let answered = anyio_tokio::run(builder, async || {
            let by_anyio = anyio::to_thread::run_sync(|| {
                std::thread::sleep(Duration::from_millis(5));
                1
            });
            let by_tokio = tokio::task::spawn_blocking(|| {
                std::thread::sleep(Duration::from_millis(5));
                2
            });
            (by_anyio.await.unwrap(), by_tokio.await.unwrap())
        });
        assert_eq!(answered.unwrap(), (1, 2));
    });
}
