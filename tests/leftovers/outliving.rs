//! Futures that outlive their run: what they had been given goes on to whom it belongs.

use crate::peers::{assert_descriptors, lock, open_descriptors, poll_once};
use anyio::{
    Builder, CancelScope, Result, TaskGroup,
    fs::File,
    move_on_after,
    net::TcpListener,
    sleep,
    streams::memory,
    sync::{CapacityLimiter, Event, Lock, RwLock, Semaphore},
    task_group,
    testing::test_backends,
};
use std::{
    cell::Cell,
    future::{Future, pending},
    pin::{Pin, pin},
    rc::Rc,
    time::Duration,
};

const SHORT: Duration = Duration::from_millis(3);

/// A future that has begun to wait, and is never polled again.
struct Kept {
    _future: Pin<Box<dyn Future<Output = ()>>>,
}

/// Polls a future once, and sees that it waits.
async fn begin(mut future: Pin<Box<dyn Future<Output = ()>>>) -> Kept {
    assert!(poll_once(future.as_mut()).await.is_pending());
    Kept { _future: future }
}

/// Runs `give` on each back end, which gives a future that was given something; drops that after the run, and sees in
/// another run that `take` gets it.
fn passed_on<T>(make: impl Fn() -> T, give: impl AsyncFn(&T) -> Kept, take: impl AsyncFn(&T) -> Result<()>) {
    let _lock = lock();
    for backend in test_backends() {
        for in_another_run in [false, true] {
            let builder = Builder::new().backend(backend);
            let subject = make();
            let kept = builder.run(async || give(&subject).await).unwrap();
            if !in_another_run {
                drop(kept);
                let taken =
                    builder.run(async || move_on_after(Duration::from_secs(20), take(&subject)).await);
                assert!(matches!(taken.unwrap(), Ok(Some(()))), "{backend}");
            } else {
                let taken = builder.run(async || {
                    let mut kept = Some(kept);
                    let dropping = async {
                        anyio::lowlevel::checkpoint().await?;
                        drop(kept.take());
                        anyio::Ok(())
                    };
                    let both = async { futures::try_join!(take(&subject), dropping).map(drop) };
                    move_on_after(Duration::from_secs(20), both).await
                });
                assert!(matches!(taken.unwrap(), Ok(Some(()))), "{backend}");
            }
        }
    }
}

#[test]
fn a_permit_goes_on_to_the_next() {
    passed_on(
        || Rc::new(Semaphore::new(1)),
        async |semaphore| {
            let permit = semaphore.acquire().await.unwrap();
            let own = semaphore.clone();
            let kept = begin(Box::pin(async move { own.acquire().await.map(drop).unwrap() })).await;
            drop(permit);
            kept
        },
        async |semaphore| Ok(semaphore.acquire().await.map(drop)?),
    );
}

#[test]
fn a_lock_goes_on_to_the_next() {
    passed_on(
        || Rc::new(Lock::new(())),
        async |lock| {
            // A lock belongs to a task, so another one has to hold it.
            let (held, enough) = (Event::new(), Event::new());
            let kept = task_group(async |tg| -> Result<Kept> {
                tg.start_soon(async {
                    let _guard = lock.acquire().await?;
                    held.set();
                    anyio::Ok(enough.wait().await?)
                });
                held.wait().await?;
                let own = lock.clone();
                let kept = begin(Box::pin(async move { own.acquire().await.map(drop).unwrap() })).await;
                enough.set();
                Ok(kept)
            });
            kept.await.unwrap().unwrap()
        },
        async |lock| Ok(lock.acquire().await.map(drop)?),
    );
}

#[test]
fn both_sides_of_a_read_write_lock_go_on_to_the_next() {
    passed_on(
        || Rc::new(RwLock::new(())),
        async |lock| {
            let guard = lock.write().await.unwrap();
            let own = lock.clone();
            let kept = begin(Box::pin(async move { own.write().await.map(drop).unwrap() })).await;
            drop(guard);
            kept
        },
        async |lock| Ok(lock.write().await.map(drop)?),
    );
    passed_on(
        || Rc::new(RwLock::new(())),
        async |lock| {
            let guard = lock.write().await.unwrap();
            let own = lock.clone();
            let kept = begin(Box::pin(async move { own.read().await.map(drop).unwrap() })).await;
            drop(guard);
            kept
        },
        async |lock| Ok(lock.write().await.map(drop)?),
    );
}

#[test]
fn a_token_of_a_limiter_goes_on_to_the_next() {
    passed_on(
        || Rc::new(CapacityLimiter::new(1)),
        async |limiter| {
            let token = limiter.acquire_on_behalf_of(1).await.unwrap();
            let own = limiter.clone();
            let kept =
                begin(Box::pin(async move { own.acquire_on_behalf_of(2).await.map(drop).unwrap() })).await;
            drop(token);
            kept
        },
        async |limiter| limiter.acquire_on_behalf_of(3).await.map(drop),
    );
}

#[test]
fn an_item_goes_on_to_the_next_receiver() {
    passed_on(
        || {
            let (sender, receiver) = memory::channel::<u32>(4);
            (sender, Rc::new(receiver))
        },
        async |(sender, receiver)| {
            let own = receiver.clone();
            let kept = begin(Box::pin(async move { own.receive().await.map(drop).unwrap() })).await;
            sender.send_nowait(5).unwrap();
            kept
        },
        async |(_, receiver)| {
            assert_eq!(receiver.receive().await?, Some(5));
            Ok(())
        },
    );
}

#[test]
fn what_is_opened_or_accepted_for_a_future_that_outlives_its_run_is_closed() {
    let _lock = lock();
    for backend in test_backends() {
        let builder = Builder::new().backend(backend);
        let before = open_descriptors();
        for _ in 0..20 {
            let kept = builder.run(async || {
                let opening = begin(Box::pin(async { drop(File::open("/etc/hostname").await) })).await;
                let listener = Rc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
                let address = listener.local_addr().unwrap();
                let own = listener.clone();
                let accepting = begin(Box::pin(async move { drop(own.accept().await) })).await;
                let client = std::net::TcpStream::connect(address).unwrap();
                sleep(SHORT).await.unwrap();
                (opening, accepting, client)
            });
            drop(kept.unwrap());
        }
        assert_descriptors(before, backend);
    }
}

#[test]
fn a_handle_for_other_threads_names_no_scope_of_a_later_run() {
    let _lock = lock();
    for backend in test_backends() {
        let builder = Builder::new().backend(backend);
        let old = CancelScope::new();
        let of_body = old.clone();
        let kept = builder.run(async || {
            let kept = begin(Box::pin(async move {
                let _ = of_body.run(async || pending::<Result<()>>().await).await;
            }))
            .await;
            old.remote();
            kept
        });
        let slept = builder.run(async || {
            let victim = CancelScope::new();
            victim
                .run(async || -> Result<()> {
                    victim.remote();
                    let handle = old.remote();
                    std::thread::spawn(move || handle.cancel()).join().unwrap();
                    Ok(sleep(SHORT).await?)
                })
                .await
        });
        assert!(matches!(slept.unwrap(), Ok(Some(()))), "a stranger was cancelled");
        drop(kept);
    }
}

/// Starts a child when it is dropped.
struct Starts<'scope, 'env> {
    group: &'scope TaskGroup<'scope, 'env, anyio::Error>,
    polled: &'env Cell<bool>,
}

impl Drop for Starts<'_, '_> {
    fn drop(&mut self) {
        let polled = self.polled;
        self.group.start_soon(async move { polled.set(true) });
    }
}

#[test]
#[expect(clippy::async_yields_async, reason = "the future is to outlive the run")]
fn a_child_that_a_destructor_starts_after_the_run_is_refused() {
    let _lock = lock();
    for backend in test_backends() {
        for in_another_run in [false, true] {
            let builder = Builder::new().backend(backend);
            let polled = Cell::new(false);
            let polled = &polled;
            let group = builder.run(async || {
                let mut group = Box::pin(task_group(async |tg| -> Result<()> {
                    let _starts = Starts { group: tg, polled };
                    pending().await
                }));
                assert!(poll_once(group.as_mut()).await.is_pending());
                group
            });
            if in_another_run {
                builder.run(async || drop(group)).unwrap();
            } else {
                drop(group);
            }
            assert!(!polled.get(), "{backend}");
        }
    }
}

#[test]
fn a_run_may_be_given_all_the_time_there_is_to_end() {
    let _lock = lock();
    for backend in test_backends() {
        let value = Builder::new().backend(backend).teardown_limit(Duration::MAX).run(async || {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            assert!(poll_once(pin!(listener.accept())).await.is_pending());
            5
        });
        assert_eq!(value.unwrap(), 5);
    }
}
