//! Runs: their beginning and end, panics, and futures that come from other runs.

#![expect(clippy::async_yields_async, reason = "futures leave their runs here")]

use anyio::{
    Backend, Builder, CancelScope, Result, current_backend, lowlevel, move_on_after, sleep, sleep_forever,
    task_group, testing::test_backends,
};
use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

const LONG: Duration = Duration::from_secs(3600);

async fn forever() -> Result<()> {
    Err(sleep_forever().await.into())
}

fn each_backend(test: impl Fn(Builder)) {
    for backend in test_backends() {
        test(Builder::new().backend(backend));
    }
}

fn poll<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_run_gives_what_its_main_function_gives_and_may_borrow() {
    each_backend(|builder| {
        let text = String::from("borrowed");
        let length = builder.run(async || {
            sleep(Duration::from_millis(1)).await.unwrap();
            text.len()
        });
        assert_eq!(length.unwrap(), 8);
        assert_eq!(current_backend(), None);
    });
}

#[anyio::test]
async fn a_run_within_a_run_is_refused() {
    let refused = Builder::new().run(async || ());
    assert_eq!(refused.unwrap_err().to_string(), "an anyio runtime runs on this thread already");
    assert!(current_backend().is_some());
    sleep(Duration::ZERO).await.unwrap();
}

#[test]
fn what_needs_a_run_says_so_outside_of_one() {
    let failed = catch_unwind(lowlevel::is_cancelled).unwrap_err();
    assert!(failed.downcast_ref::<&str>().unwrap().starts_with("no anyio runtime on this thread"));
    assert!(catch_unwind(|| poll(&mut Box::pin(sleep(LONG)))).is_err());
}

#[test]
fn unknown_back_ends_are_refused_by_name() {
    let refused = "epoll".parse::<Backend>().unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::InvalidInput);
    assert!(refused.to_string().contains("\"epoll\""));
    assert_eq!(Backend::Uring.to_string().parse::<Backend>().unwrap(), Backend::Uring);
}

#[test]
fn a_panic_leaves_the_run_after_everything_was_dropped() {
    each_backend(|builder| {
        let dropped = Rc::new(());
        let kept = dropped.clone();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            builder.run(async || {
                let _kept = kept;
                let mut waiting = Box::pin(forever());
                assert!(poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await);
                panic!("on purpose");
            })
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"on purpose"));
        assert_eq!(Rc::strong_count(&dropped), 1);
        assert_eq!(builder.run(async || 1).unwrap(), 1);
    });
}

#[test]
fn a_main_function_that_woke_itself_before_its_end_does_not_keep_the_teardown_busy() {
    each_backend(|builder| {
        let value = builder.run(async || {
            poll_fn(|cx| {
                cx.waker().wake_by_ref();
                Poll::Ready(3)
            })
            .await
        });
        assert_eq!(value.unwrap(), 3);
    });
}

#[test]
fn futures_that_leave_their_run_can_be_dropped_outside() {
    each_backend(|builder| {
        let dropped = Rc::new(Cell::new(0));
        let count = dropped.clone();
        struct Counts(Rc<Cell<u32>>);
        impl Drop for Counts {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
            }
        }
        let escaped = builder
            .run(async || {
                let mut group: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
                    let scope = CancelScope::new().with_timeout(LONG);
                    let _ = scope
                        .run(async || -> Result<()> {
                            task_group(async |tg| -> Result<()> {
                                for _ in 0..3 {
                                    let counts = Counts(count.clone());
                                    let child = tg.start_soon(async move {
                                        let _counts = counts;
                                        move_on_after(LONG, forever()).await?;
                                        Ok(())
                                    });
                                    // Its destructor uses the group and a sibling after the run.
                                    tg.start_soon(async move {
                                        struct Cancels<F: Fn()>(F);
                                        impl<F: Fn()> Drop for Cancels<F> {
                                            fn drop(&mut self) {
                                                (self.0)();
                                            }
                                        }
                                        let _cancels = Cancels(|| {
                                            child.cancel();
                                            child.scope().set_deadline(Some(Instant::now()));
                                            tg.cancel();
                                            tg.scope().set_shield(true);
                                            drop(tg.start_soon(async {}));
                                        });
                                        forever().await
                                    });
                                }
                                forever().await
                            })
                            .await?;
                            Ok(())
                        })
                        .await;
                });
                for _ in 0..3 {
                    assert!(poll_fn(|cx| Poll::Ready(group.as_mut().poll(cx).is_pending())).await);
                    sleep(Duration::ZERO).await.unwrap();
                }
                group
            })
            .unwrap();
        drop(escaped);
        assert_eq!(dropped.get(), 3);
    });
}

#[test]
fn futures_of_one_run_are_refused_by_another_and_can_be_dropped_there() {
    each_backend(|builder| {
        let escaped = || {
            builder
                .run(async || {
                    let mut futures: Vec<Pin<Box<dyn Future<Output = ()>>>> = vec![
                        Box::pin(async {
                            let _ = sleep(LONG).await;
                        }),
                        Box::pin(async { drop(move_on_after(LONG, forever()).await) }),
                        Box::pin(async {
                            let _ = task_group(async |tg| -> Result<()> {
                                tg.start_soon(forever());
                                forever().await
                            })
                            .await;
                        }),
                    ];
                    for future in &mut futures {
                        assert!(poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await);
                    }
                    futures
                })
                .unwrap()
        };
        for mut future in escaped() {
            builder
                .run(async || {
                    let refused = catch_unwind(AssertUnwindSafe(|| poll(&mut future)));
                    let text = refused.unwrap_err();
                    let text = text.downcast_ref::<String>().cloned().unwrap_or_default()
                        + text.downcast_ref::<&str>().unwrap_or(&"");
                    assert!(text.contains("another run"), "{text}");
                    drop(future);
                    let statistics = lowlevel::statistics();
                    assert_eq!((statistics.tasks, statistics.waits), (1, 0));
                })
                .unwrap();
        }
    });
}

#[test]
fn a_timeout_that_leaves_its_run_counts_on_in_the_next() {
    each_backend(|builder| {
        // The body waits for nothing of the run.
        let mut limited = Box::pin(move_on_after(Duration::from_millis(2), async {
            loop {
                lowlevel::checkpoint().await?;
            }
            #[expect(unreachable_code, reason = "names the type")]
            anyio::Ok(())
        }));
        builder
            .run(async || assert!(poll_fn(|cx| Poll::Ready(limited.as_mut().poll(cx).is_pending())).await))
            .unwrap();
        assert!(matches!(builder.run(async || limited.await).unwrap(), Ok(None)));
    });
}

#[test]
fn a_scope_of_one_run_is_another_in_the_next() {
    each_backend(|builder| {
        let scope = CancelScope::new();
        // Half-way when its run ends, and dropped after it.
        let escaped = builder
            .run(async || {
                let body_scope = scope.clone();
                let mut body: Pin<Box<dyn Future<Output = ()>>> = Box::pin(async move {
                    let _ = body_scope
                        .run(async || {
                            let _remote = body_scope.remote();
                            forever().await
                        })
                        .await;
                });
                assert!(poll_fn(|cx| Poll::Ready(body.as_mut().poll(cx).is_pending())).await);
                body
            })
            .unwrap();
        drop(escaped);
        builder
            .run(async || -> Result<()> {
                let other = CancelScope::new();
                let ended = other
                    .run(async || -> Result<i32> {
                        let _remote = other.remote();
                        let inside = scope
                            .run(async || -> Result<()> {
                                assert!(scope.remote().cancel());
                                forever().await
                            })
                            .await?;
                        assert_eq!(inside, None);
                        Ok(1)
                    })
                    .await?;
                assert_eq!(ended, Some(1));
                Ok(())
            })
            .unwrap()
            .unwrap();
    });
}

#[test]
fn forgotten_futures_are_never_polled_again_and_harm_nobody() {
    each_backend(|builder| {
        let polls = Cell::new(0);
        builder
            .run(async || -> Result<()> {
                let scope = CancelScope::new();
                let wakers = RefCell::new(Vec::new());
                let ended = scope
                    .run(async || -> Result<()> {
                        let (polls, wakers) = (&polls, &wakers);
                        let group = Box::pin(task_group(async move |tg| -> Result<()> {
                            for _ in 0..10 {
                                tg.start_soon(poll_fn(move |cx| {
                                    polls.set(polls.get() + 1);
                                    wakers.borrow_mut().push(cx.waker().clone());
                                    Poll::<()>::Pending
                                }));
                                tg.start_soon(move_on_after(LONG, forever()).into_group());
                            }
                            forever().await
                        }));
                        let timeout = Box::pin(move_on_after(Duration::from_millis(1), forever()));
                        let nap = Box::pin(sleep(Duration::from_millis(1)));
                        let (mut group, mut timeout, mut nap) = (group, timeout, nap);
                        poll_fn(|cx| {
                            assert!(group.as_mut().poll(cx).is_pending());
                            assert!(timeout.as_mut().poll(cx).is_pending());
                            assert!(nap.as_mut().poll(cx).is_pending());
                            Poll::Ready(())
                        })
                        .await;
                        std::mem::forget((group, timeout, nap));
                        Ok(())
                    })
                    .await?;
                assert_eq!(ended, Some(()));
                for waker in wakers.take() {
                    waker.wake();
                }
                sleep(Duration::from_millis(3)).await?;
                scope.cancel();
                sleep(Duration::ZERO).await?;
                Ok(())
            })
            .unwrap()
            .unwrap();
        assert_eq!(polls.get(), 10);
    });
}

/// Makes a child's outcome of a scope's.
trait IntoGroup {
    fn into_group(self) -> impl Future<Output = Result<()>>;
}

impl<F: Future<Output = Result<Option<()>>>> IntoGroup for F {
    async fn into_group(self) -> Result<()> {
        self.await.map(|_| ())
    }
}

#[test]
fn a_destructor_that_panics_at_the_end_of_a_run_comes_out_of_it() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("at the end");
        }
    }
    each_backend(|builder| {
        let variable = lowlevel::RunVar::new();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            builder.run(async || {
                let _ = variable.set(Panics);
            })
        }));
        assert_eq!(panicked.unwrap_err().downcast_ref::<&str>(), Some(&"at the end"));
        assert_eq!(
            builder.run(async || anyio::TimedOut::new().to_string()).unwrap(),
            "the time allowed was over"
        );
    });
}

#[test]
fn receive_buffers_of_no_size_or_of_any_are_refused_with_an_error() {
    for backend in [Backend::Auto, Backend::Uring, Backend::Poll] {
        for (size, count) in [(0, 2), (0, 0), (u32::MAX as usize, 0), (usize::MAX, 2)] {
            let builder = Builder::new().backend(backend).receive_buffers(count).receive_buffer_size(size);
            let refused = builder.run(async || ()).unwrap_err();
            assert!(
                refused.to_string().contains(&size.to_string()) || backend == Backend::Uring,
                "{refused}"
            );
        }
    }
}
