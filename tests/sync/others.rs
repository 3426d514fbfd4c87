//! `Promise`, `Barrier`, `Once`, `OnceCell`, `RwLock` and `ResourceGuard`.

use crate::lock::begin;
use anyio::{
    CancelScope, Error, Result,
    lowlevel::checkpoint,
    sync::{Barrier, Event, Once, OnceCell, Promise, PromiseStatus, ResourceGuard, RwLock},
    task_group,
    testing::wait_all_tasks_blocked,
};
use futures_util::stream::{FuturesUnordered, StreamExt};
use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Poll, Waker},
};

#[anyio::test]
async fn a_promise_gives_its_value_to_all_before_and_after_it_is_set() -> Result<()> {
    let promise = Promise::new();
    task_group(async |tg| -> Result<()> {
        let waiters = [(); 2].map(|()| tg.start_soon(async { anyio::Ok(promise.wait().await?.copied()) }));
        wait_all_tasks_blocked().await?;
        assert_eq!((promise.status(), promise.statistics().tasks_waiting), (PromiseStatus::Pending, 2));
        assert_eq!(promise.get(), None);
        promise.set(5).unwrap();
        for waiter in waiters {
            assert_eq!(waiter.await?, Some(5));
        }
        Ok(())
    })
    .await?;
    assert_eq!(promise.wait().await?, Some(&5));
    assert_eq!((promise.status(), promise.get()), (PromiseStatus::Finished, Some(&5)));
    Ok(())
}

#[test]
fn a_promise_has_one_value() {
    let promise = Promise::new();
    promise.set(1).unwrap();
    assert_eq!(promise.set(2), Err(2));
    promise.cancel();
    assert_eq!((promise.status(), promise.get()), (PromiseStatus::Finished, Some(&1)));
    assert!(format!("{promise:?}").contains("Finished"));
}

#[anyio::test]
async fn a_cancelled_promise_has_no_value() -> Result<()> {
    let promise = Promise::new();
    task_group(async |tg| -> Result<()> {
        let waiter = tg.start_soon(async { anyio::Ok(promise.wait().await?.copied()) });
        wait_all_tasks_blocked().await?;
        promise.cancel();
        assert_eq!(waiter.await?, None);
        Ok(())
    })
    .await?;
    assert_eq!((promise.status(), promise.set(1)), (PromiseStatus::Cancelled, Err(1)));
    assert_eq!(promise.wait().await?, None);
    Ok(())
}

#[anyio::test]
async fn a_cancelled_waiter_leaves_the_promise_and_others_alone() -> Result<()> {
    let (promise, scope) = (Promise::new(), CancelScope::new());
    task_group(async |tg| -> Result<()> {
        let cancelled =
            tg.start_soon(async { scope.run(async || Ok::<_, Error>(promise.wait().await?.copied())).await });
        let other = tg.start_soon(async { anyio::Ok(promise.wait().await?.copied()) });
        wait_all_tasks_blocked().await?;
        scope.cancel();
        assert_eq!(cancelled.await?, None);
        promise.set(1).unwrap();
        assert_eq!(other.await?, Some(1));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_barrier_lets_rounds_through_with_one_last_each() -> Result<()> {
    let (barrier, last) = (Barrier::new(3), Cell::new(0));
    task_group(async |tg| -> Result<()> {
        for _ in 0..3 {
            tg.start_soon(async {
                for _ in 0..2 {
                    let is_last = barrier.wait().await?;
                    last.set(last.get() + usize::from(is_last));
                }
                anyio::Ok(())
            });
        }
        Ok(())
    })
    .await?;
    assert_eq!((last.get(), barrier.statistics().tasks_waiting), (2, 0));
    Ok(())
}

#[anyio::test]
async fn who_is_cancelled_at_a_barrier_has_not_come() -> Result<()> {
    let (barrier, scope) = (Barrier::new(2), CancelScope::new());
    task_group(async |tg| -> Result<()> {
        let cancelled =
            tg.start_soon(async { scope.run(async || Ok::<_, Error>(barrier.wait().await?)).await });
        wait_all_tasks_blocked().await?;
        assert_eq!(barrier.statistics().tasks_waiting, 1);
        scope.cancel();
        let waiter = tg.start_soon(async { anyio::Ok(barrier.wait().await?) });
        assert_eq!(cancelled.await?, None);
        wait_all_tasks_blocked().await?;
        assert_eq!(barrier.statistics().tasks_waiting, 1);
        assert!(barrier.wait().await?);
        assert!(!waiter.await?);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_cell_is_initialised_once_and_others_wait() -> Result<()> {
    let (cell, made) = (OnceCell::new(), Cell::new(0));
    task_group(async |tg| -> Result<()> {
        for _ in 0..3 {
            tg.start_soon(async {
                let init = async || {
                    made.set(made.get() + 1);
                    checkpoint().await?;
                    anyio::Ok("value")
                };
                assert_eq!(*cell.get_or_try_init(init).await?, "value");
                anyio::Ok(())
            });
        }
        Ok(())
    })
    .await?;
    assert_eq!((made.get(), cell.get()), (1, Some(&"value")));
    assert!(cell.statistics().initialized);
    assert_eq!(cell.set("other"), Err("other"));
    Ok(())
}

#[anyio::test]
async fn after_a_failure_the_next_who_waits_tries() -> Result<()> {
    let (cell, scope, order) = (OnceCell::new(), CancelScope::new(), RefCell::new(vec![]));
    let ends = [Event::new(), Event::new(), Event::new(), Event::new()];
    task_group(async |tg| -> Result<()> {
        let (cell, order, ends) = (&cell, &order, &ends);
        let attempt = async move |number: u32, succeeds: bool| -> Result<u32> {
            let init = async || {
                order.borrow_mut().push(number);
                ends[number as usize].wait().await?;
                if succeeds { Ok(number) } else { Err(Error::EndOfStream) }
            };
            cell.get_or_try_init(init).await.copied()
        };
        let failing = tg.start_soon(async move { anyio::Ok(attempt(0, false).await) });
        wait_all_tasks_blocked().await?;
        let scope = &scope;
        let cancelled = tg.start_soon(async move { scope.run(async || attempt(1, true).await).await });
        wait_all_tasks_blocked().await?;
        let second = tg.start_soon(async move { attempt(2, true).await });
        wait_all_tasks_blocked().await?;
        let third = tg.start_soon(async move { attempt(3, true).await });
        wait_all_tasks_blocked().await?;
        ends[0].set();
        assert!(matches!(failing.await?, Err(Error::EndOfStream)));
        wait_all_tasks_blocked().await?;
        scope.cancel();
        assert_eq!(cancelled.await?, None);
        ends[2].set();
        assert_eq!((second.await?, third.await?), (2, 2));
        Ok(())
    })
    .await?;
    assert_eq!(*order.borrow(), [0, 1, 2]);
    Ok(())
}

#[anyio::test]
async fn setting_a_cell_wakes_those_who_wait_for_its_initialiser() -> Result<()> {
    let cell = OnceCell::new();
    task_group(async |tg| -> Result<()> {
        let mut making = pin!(cell.get_or_init(async || {
            anyio::sleep_forever().await;
            1
        }));
        begin(making.as_mut()).await;
        let waiter = tg.start_soon(async { anyio::Ok(*cell.get_or_init(async || 2).await?) });
        wait_all_tasks_blocked().await?;
        assert_eq!(cell.statistics().tasks_waiting, 1);
        cell.set(3).unwrap();
        assert_eq!(waiter.await?, 3);
        Ok(())
    })
    .await?;
    assert_eq!(cell.into_inner(), Some(3));
    Ok(())
}

#[anyio::test]
async fn readers_share_and_a_writer_is_alone() -> Result<()> {
    let lock = RwLock::new(0);
    task_group(async |tg| -> Result<()> {
        let (one, other) = (lock.read().await?, lock.try_read()?);
        assert!(matches!(lock.try_write(), Err(Error::WouldBlock)));
        let writer = tg.start_soon(async {
            let mut guard = lock.write().await?;
            *guard += 1;
            wait_all_tasks_blocked().await?;
            *guard += 1;
            anyio::Ok(())
        });
        wait_all_tasks_blocked().await?;
        let statistics = lock.statistics();
        assert_eq!((statistics.readers, statistics.writer, statistics.tasks_waiting), (2, false, 1));
        assert!(matches!(lock.try_read(), Err(Error::WouldBlock)), "a writer waits");
        drop((one, other));
        assert!(lock.statistics().writer, "it was handed over at once");
        assert_eq!(*lock.read().await?, 2);
        writer.await?;
        Ok(())
    })
    .await?;
    assert_eq!(lock.into_inner(), 2);
    Ok(())
}

#[anyio::test]
async fn readers_behind_a_cancelled_writer_go_on() -> Result<()> {
    let (lock, scope) = (RwLock::new(0), CancelScope::new());
    task_group(async |tg| -> Result<()> {
        let reading = lock.read().await?;
        let writer = tg.start_soon(async {
            scope
                .run(async || {
                    drop(lock.write().await?);
                    Ok::<_, Error>(())
                })
                .await
        });
        wait_all_tasks_blocked().await?;
        let reader = tg.start_soon(async { anyio::Ok(*lock.read().await?) });
        wait_all_tasks_blocked().await?;
        assert_eq!(lock.statistics().tasks_waiting, 2);
        scope.cancel();
        assert_eq!(writer.await?, None);
        assert_eq!(reader.await?, 0);
        drop(reading);
        Ok(())
    })
    .await?;
    drop(lock.try_write()?);
    Ok(())
}

#[anyio::test]
async fn guards_that_nobody_took_are_handed_on() -> Result<()> {
    let lock = RwLock::new(0);
    let writing = lock.write().await?;
    {
        let (mut write, mut read) = (pin!(lock.write()), pin!(lock.read()));
        begin(write.as_mut()).await;
        begin(read.as_mut()).await;
        drop(writing);
        assert_eq!((lock.statistics().writer, lock.statistics().tasks_waiting), (true, 1));
    }
    let statistics = lock.statistics();
    assert_eq!((statistics.readers, statistics.writer, statistics.tasks_waiting), (0, false, 0));
    Ok(())
}

#[test]
fn the_second_user_of_a_resource_is_refused() {
    let guard = ResourceGuard::new("writing");
    let using = guard.enter().unwrap();
    let refused = guard.enter().unwrap_err();
    assert!(matches!(refused, Error::BusyResource("writing")));
    assert_eq!(refused.to_string(), "another task is already writing");
    drop(using);
    drop(guard.enter().unwrap());
}

#[anyio::test]
async fn something_is_done_once_while_others_wait_and_again_if_it_fails() -> Result<()> {
    let (once, attempts, end) = (Once::new(), Cell::new(0), Event::new());
    let action = async || {
        attempts.set(attempts.get() + 1);
        end.wait().await?;
        if attempts.get() == 1 { Err(Error::EndOfStream) } else { Ok(()) }
    };
    task_group(async |tg| -> Result<()> {
        let (once, action) = (&once, &action);
        let failing = tg.start_soon(async move { anyio::Ok(once.call(action).await) });
        wait_all_tasks_blocked().await?;
        for _ in 0..2 {
            tg.start_soon(async move { once.call(action).await });
        }
        wait_all_tasks_blocked().await?;
        assert!(!once.is_completed());
        assert_eq!(once.statistics().tasks_waiting, 2);
        end.set();
        assert!(matches!(failing.await?, Err(Error::EndOfStream)));
        Ok(())
    })
    .await?;
    assert_eq!(attempts.get(), 2);
    assert!(once.is_completed() && once.statistics().completed);
    once.call(async || -> Result<()> { unreachable!("it is done") }).await
}

#[anyio::test]
async fn what_is_to_be_made_by_who_waits_for_it_is_told() -> Result<()> {
    let (cell, once) = (OnceCell::<u32>::new(), Once::new());
    let circular = async || -> Result<u32> { Ok(*cell.get_or_try_init(async || anyio::Ok(1)).await?) };
    assert!(begin_catching(cell.get_or_try_init(circular)), "it would wait for itself");
    assert_eq!(*cell.get_or_init(async || 2).await?, 2, "and can be made by others");
    let within = async || once.call(async || anyio::Ok(())).await;
    assert!(begin_catching(once.call(within)));
    assert!(!once.is_completed());
    Ok(())
}

#[anyio::test]
async fn who_polls_others_while_making_a_value_does_not_wait_for_them() -> Result<()> {
    let cell = OnceCell::<u32>::new();
    let others = RefCell::new(FuturesUnordered::new());
    others.borrow_mut().push(async {
        checkpoint().await?;
        anyio::Ok(*cell.get_or_try_init(async || anyio::Ok(1)).await?)
    });
    let init = async || {
        // As an executor within a task does that gives all its tasks a turn.
        for _ in 0..3 {
            poll_fn(|cx| Poll::Ready(others.borrow_mut().poll_next_unpin(cx).is_ready())).await;
            checkpoint().await?;
        }
        anyio::Ok(2)
    };
    assert_eq!(*cell.get_or_try_init(init).await?, 2);
    assert_eq!(others.into_inner().next().await.transpose()?, Some(2));
    Ok(())
}

/// Whether something panics when it is polled first.
fn begin_catching(future: impl Future) -> bool {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(&mut cx).is_ready())).is_err()
}
