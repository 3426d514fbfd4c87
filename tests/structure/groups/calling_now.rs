//! Children that are called at once, by functions that do what they should not.

use super::{Dropped, SHORT, forever};
use anyio::{
    CancelScope, Error, Result, TaskLocal, TaskStatus, lowlevel, move_on_after, sleep, task_group,
    testing::current_task,
};
use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::{Pin, pin},
    task::{Context, Poll},
};

#[anyio::test]
async fn one_whose_function_cancels_the_group_is_cancelled_in_its_first_wait() -> Result<()> {
    let reached = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        let before = tg.call_now(|| {
            tg.cancel();
            forever()
        });
        assert_eq!(before.status(), TaskStatus::Cancelled);
        Ok(())
    })
    .await?;
    // A wait that has begun before.
    task_group(async |tg| -> Result<()> {
        let reached = &reached;
        let waiting = tg.call_now(move || {
            let mut waiting = Box::pin(forever());
            poll_fn(move |cx| {
                let polled = waiting.as_mut().poll(cx);
                if polled.is_pending() {
                    tg.cancel();
                }
                reached.set(reached.get() + 1);
                polled
            })
        });
        assert!(!waiting.is_finished());
        Ok(())
    })
    .await?;
    assert_eq!(reached.get(), 2);
    Ok(())
}

#[anyio::test]
async fn those_that_are_called_within_each_other_are_all_of_the_group() -> Result<()> {
    let order = RefCell::new(Vec::new());
    task_group(async |tg| -> Result<()> {
        let order = &order;
        let outer = tg.call_now(move || {
            let held = Dropped(order, "outer");
            let inner = tg.call_now(move || {
                let held = Dropped(order, "inner");
                async move {
                    let _held = held;
                    forever().await
                }
            });
            let mut value = tg.call_now(async || anyio::Ok(1));
            assert_eq!(value.try_take(), Ok(1));
            async move {
                let _held = held;
                inner.await?;
                Ok(())
            }
        });
        assert!(!outer.is_finished());
        assert_eq!(lowlevel::statistics().tasks, 4);
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!(order.borrow().len(), 2);
    assert_eq!(lowlevel::statistics().tasks, 1);
    Ok(())
}

#[anyio::test]
async fn the_youngest_is_dropped_first_also_if_it_was_called_within_another() -> Result<()> {
    let order = RefCell::new(Vec::new());
    {
        let mut group = Box::pin(task_group(async |tg| -> Result<()> {
            let order = &order;
            tg.start_soon(async move {
                let _held = Dropped(order, "first");
                forever().await
            });
            tg.call_now(move || {
                let held = Dropped(order, "second");
                tg.call_now(move || {
                    let held = Dropped(order, "third");
                    async move {
                        let _held = held;
                        forever().await
                    }
                });
                async move {
                    let _held = held;
                    forever().await
                }
            });
            forever().await
        }));
        poll_fn(|cx| {
            assert!(group.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    assert_eq!(*order.borrow(), ["third", "second", "first"]);
    Ok(())
}

static LOCAL: TaskLocal<u32> = TaskLocal::new();

#[anyio::test]
async fn it_inherits_and_keeps_what_its_caller_has() -> Result<()> {
    LOCAL
        .scope(1, async {
            task_group(async |tg| -> Result<()> {
                let child = tg.call_now(|| {
                    assert_eq!(LOCAL.get(), Some(1));
                    let own = LOCAL.sync_scope(2, || {
                        tg.call_now(|| {
                            let called = LOCAL.get();
                            async move {
                                lowlevel::checkpoint().await?;
                                anyio::Ok((called, LOCAL.get()))
                            }
                        })
                    });
                    let failed = catch_unwind(AssertUnwindSafe(|| {
                        LOCAL.sync_scope(3, || resume_unwind(Box::new("caught")))
                    }));
                    assert!(failed.is_err());
                    LOCAL.scope(4, async move {
                        assert_eq!(LOCAL.get(), Some(4));
                        let own = own.await?;
                        anyio::Ok((own, LOCAL.get()))
                    })
                });
                assert_eq!(LOCAL.get(), Some(1));
                assert_eq!(child.await?, ((Some(2), Some(2)), Some(4)));
                assert_eq!(LOCAL.get(), Some(1));
                let mut ended = LOCAL.sync_scope(5, || tg.call_now(async || anyio::Ok(LOCAL.get())));
                assert_eq!(ended.try_take(), Ok(Some(5)));
                Ok(())
            })
            .await?;
            anyio::Ok(())
        })
        .await?;
    assert_eq!(LOCAL.get(), None);
    Ok(())
}

#[repr(align(512))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Aligned([u8; 512]);

impl Aligned {
    fn check(&self, byte: u8) {
        assert_eq!(std::ptr::from_ref(self).addr() % 512, 0);
        assert!(self.0.iter().all(|&other| other == byte));
    }
}

#[anyio::test]
async fn futures_and_values_of_any_size_and_alignment_lie_where_they_should() -> Result<()> {
    task_group(async |tg| -> Result<()> {
        for waits in [false, true] {
            // A value that is larger than its future, and the other way about.
            let large_value = tg.call_now(move || async move {
                if waits {
                    lowlevel::checkpoint().await?;
                }
                anyio::Ok([Aligned([7; 512]); 20])
            });
            let held = Aligned([9; 512]);
            let large_future = tg.call_now(move || async move {
                held.check(9);
                if waits {
                    lowlevel::checkpoint().await?;
                }
                held.check(9);
                anyio::Ok(3_u8)
            });
            let nothing = tg.call_now(move || poll_fn(move |_| Poll::Ready(anyio::Ok(()))));
            let huge = tg.call_now(move || async move {
                let mut bytes = [1_u8; 20_000];
                bytes[0] = 2;
                if waits {
                    lowlevel::checkpoint().await?;
                }
                anyio::Ok(bytes)
            });
            assert_eq!(large_value.is_finished(), !waits);
            for value in &large_value.await? {
                value.check(7);
            }
            assert_eq!(large_future.await?, 3);
            nothing.await?;
            let huge = huge.await?;
            assert_eq!((huge[0], huge[19_999]), (2, 1));
        }
        // Futures and functions of no size.
        struct Nothing;
        impl Future for Nothing {
            type Output = Result<()>;
            fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
                Poll::Ready(Ok(()))
            }
        }
        let mut nothing = tg.call_now(|| Nothing);
        assert_eq!(nothing.try_take(), Ok(()));
        assert_eq!(nothing.try_take(), Err(anyio::NoValue::Taken));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn waking_itself_and_scopes_of_its_own_outlast_its_first_poll() -> Result<()> {
    let woken = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        let mut ends = tg.call_now(|| {
            poll_fn(|cx| {
                cx.waker().wake_by_ref();
                let waker = cx.waker().clone();
                waker.wake();
                Poll::Ready(anyio::Ok(5))
            })
        });
        assert_eq!(ends.try_take(), Ok(5));
        let woken = &woken;
        let goes_on = tg.call_now(move || {
            poll_fn(move |cx| {
                cx.waker().wake_by_ref();
                woken.set(woken.get() + 1);
                if woken.get() < 3 { Poll::Pending } else { Poll::Ready(anyio::Ok(6)) }
            })
        });
        assert_eq!(goes_on.await?, 6);
        let limited = tg.call_now(async || {
            let late = move_on_after(SHORT, forever()).await?;
            assert!(late.is_none());
            let scope = CancelScope::new();
            scope.cancel();
            scope.run(async || lowlevel::checkpoint().await.map_err(Error::from)).await.ok();
            sleep(SHORT).await?;
            anyio::Ok(current_task().id)
        });
        assert_ne!(limited.await?, current_task().id);
        // A group within, of which a child waits, while the group outside is cancelled.
        let nested = tg.call_now(async move || {
            task_group(async |inner| -> Result<()> {
                inner.call_now(|| {
                    let mut waits = Box::pin(forever());
                    poll_fn(move |cx| {
                        let polled = waits.as_mut().poll(cx);
                        if polled.is_pending() {
                            tg.cancel();
                        }
                        polled
                    })
                });
                Ok(())
            })
            .await?;
            anyio::Ok(())
        });
        assert!(!nested.is_finished());
        Ok(())
    })
    .await?;
    assert_eq!(lowlevel::statistics().tasks, 1);
    Ok(())
}

#[anyio::test]
async fn a_handle_can_be_forgotten_and_a_group_dropped_within_the_poll_that_called() -> Result<()> {
    let dropped = RefCell::new(Vec::new());
    {
        let dropped = &dropped;
        let mut group = pin!(task_group(async |tg| -> Result<()> {
            std::mem::forget(tg.call_now(async || {
                let _held = Dropped(dropped, "waits");
                forever().await
            }));
            std::mem::forget(tg.call_now(async || anyio::Ok(vec![1, 2, 3])));
            // What the destructor of a child starts is refused.
            struct Starts<F: FnMut()>(F);
            impl<F: FnMut()> Drop for Starts<F> {
                fn drop(&mut self) {
                    (self.0)();
                }
            }
            let starts = Starts(|| {
                let late = tg.call_now(async || {
                    let _held = Dropped(dropped, "late");
                    forever().await
                });
                assert!(late.is_finished() || !late.is_finished());
            });
            tg.call_now(move || async move {
                let _starts = starts;
                forever().await
            });
            forever().await
        }));
        poll_fn(|cx| {
            assert!(group.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    assert!(dropped.borrow().contains(&"waits"), "{dropped:?}");
    assert!(!dropped.borrow().contains(&"late"), "{dropped:?}");
    assert_eq!(lowlevel::statistics().tasks, 1);
    Ok(())
}
