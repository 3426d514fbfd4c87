//! `Condition`.

use crate::lock::begin;
use anyio::{
    CancelScope, Error, Result,
    sync::{Condition, Event, Lock},
    task_group,
    testing::wait_all_tasks_blocked,
};
use std::{cell::RefCell, pin::pin};

fn sorted(numbers: &[u32]) -> Vec<u32> {
    let mut sorted = numbers.to_vec();
    sorted.sort_unstable();
    sorted
}

#[anyio::test]
async fn notifications_wake_the_first_to_wait_first() -> Result<()> {
    let (lock, condition) = (Lock::new(()), Condition::new());
    let (arrivals, order) = (RefCell::new(vec![]), RefCell::new(vec![]));
    task_group(async |tg| -> Result<()> {
        for number in 0..4 {
            let (lock, condition, arrivals, order) = (&lock, &condition, &arrivals, &order);
            tg.start_soon(async move {
                let guard = lock.acquire().await?;
                arrivals.borrow_mut().push(number);
                let _guard = condition.wait(guard).await?;
                assert!(lock.statistics().owned_by_current_task);
                order.borrow_mut().push(number);
                anyio::Ok(())
            });
        }
        wait_all_tasks_blocked().await?;
        assert_eq!(condition.statistics().tasks_waiting, 4);
        assert!(!lock.locked());
        for (count, left) in [(1, 3), (2, 1)] {
            let guard = lock.acquire().await?;
            condition.notify(&guard, count);
            assert_eq!(condition.statistics().tasks_waiting, left);
            drop(guard);
            wait_all_tasks_blocked().await?;
            assert_eq!(sorted(&order.borrow()), sorted(&arrivals.borrow()[..4 - left]));
        }
        condition.notify_all(&lock.acquire().await?);
        Ok(())
    })
    .await?;
    assert_eq!(sorted(&order.borrow()), [0, 1, 2, 3]);
    Ok(())
}

#[anyio::test]
async fn who_is_notified_goes_on_only_with_the_lock() -> Result<()> {
    let (lock, condition) = (Lock::new(0), Condition::new());
    task_group(async |tg| -> Result<()> {
        let waiter = tg.start_soon(async {
            let guard = condition.wait(lock.acquire().await?).await?;
            anyio::Ok(*guard)
        });
        wait_all_tasks_blocked().await?;
        let mut guard = lock.acquire().await?;
        condition.notify(&guard, 1);
        wait_all_tasks_blocked().await?;
        *guard = 7;
        drop(guard);
        assert_eq!(waiter.await?, 7);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_cancelled_waiter_is_not_notified_and_leaves_the_lock_free() -> Result<()> {
    let (lock, condition, scope) = (Lock::new(()), Condition::new(), CancelScope::new());
    task_group(async |tg| -> Result<()> {
        let cancelled = tg.start_soon(async {
            scope
                .run(async || {
                    let _guard = condition.wait(lock.acquire().await?).await?;
                    Ok::<_, Error>(())
                })
                .await
        });
        wait_all_tasks_blocked().await?;
        let next = tg.start_soon(async {
            let _guard = condition.wait(lock.acquire().await?).await?;
            anyio::Ok(())
        });
        wait_all_tasks_blocked().await?;
        scope.cancel();
        condition.notify(&lock.acquire().await?, 1);
        assert_eq!(cancelled.await?, None);
        next.await?;
        Ok(())
    })
    .await?;
    assert!(!lock.locked());
    Ok(())
}

#[anyio::test]
async fn a_cancelled_waiter_has_the_lock_again() -> Result<()> {
    let (lock, condition, scope) = (Lock::new(0), Condition::new(), CancelScope::new());
    task_group(async |tg| -> Result<()> {
        let (lock, condition, inside) = (&lock, &condition, &scope);
        let waiter = tg.start_soon(async move {
            inside
                .run(async || -> Result<()> {
                    let mut guard = condition.wait(lock.acquire().await?).await.unwrap_err().into_guard();
                    // What another task did while it had the lock is there.
                    assert_eq!((*guard, lock.locked()), (5, true));
                    *guard += 1;
                    // In a scope that is cancelled it is not even released.
                    let guard = condition.wait(guard).await.unwrap_err().into_guard();
                    assert_eq!((*guard, lock.locked()), (6, true));
                    Ok(())
                })
                .await
        });
        wait_all_tasks_blocked().await?;
        let mut guard = lock.acquire().await?;
        scope.cancel();
        wait_all_tasks_blocked().await?;
        assert!(!waiter.is_finished(), "it waits for the lock");
        *guard = 5;
        drop(guard);
        waiter.wait().await?;
        assert_eq!(condition.statistics().tasks_waiting, 0);
        Ok(())
    })
    .await?;
    assert_eq!((lock.locked(), lock.into_inner()), (false, 6));
    Ok(())
}

#[anyio::test]
async fn a_cancellation_after_the_notification_does_not_lose_it() -> Result<()> {
    let (lock, condition, scope) = (Lock::new(()), Condition::new(), CancelScope::new());
    task_group(async |tg| -> Result<()> {
        let waiter = tg.start_soon(async {
            scope
                .run(async || {
                    let _guard = condition.wait(lock.acquire().await?).await?;
                    Ok::<_, Error>(())
                })
                .await
        });
        wait_all_tasks_blocked().await?;
        let guard = lock.acquire().await?;
        condition.notify(&guard, 1);
        scope.cancel();
        wait_all_tasks_blocked().await?;
        drop(guard);
        assert_eq!(waiter.await?, Some(()));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_notified_waiter_that_is_dropped_passes_the_notification_on() -> Result<()> {
    for waits_for_the_lock in [false, true] {
        let (lock, condition, notified) = (Lock::new(()), Condition::new(), Event::new());
        task_group(async |tg| -> Result<()> {
            let next;
            {
                let mut dropped = pin!(condition.wait(lock.acquire().await?));
                begin(dropped.as_mut()).await;
                next = tg.start_soon(async {
                    let _guard = condition.wait(lock.acquire().await?).await?;
                    anyio::Ok(())
                });
                wait_all_tasks_blocked().await?;
                tg.start_soon(async {
                    let guard = lock.acquire().await?;
                    condition.notify(&guard, 1);
                    notified.set();
                    wait_all_tasks_blocked().await?;
                    anyio::Ok(())
                });
                notified.wait().await?;
                assert_eq!(condition.statistics().tasks_waiting, 1);
                if waits_for_the_lock {
                    begin(dropped.as_mut()).await;
                    assert_eq!(lock.statistics().tasks_waiting, 1);
                }
            }
            assert_eq!(condition.statistics().tasks_waiting, 0);
            next.await?;
            Ok(())
        })
        .await?;
        assert!(!lock.locked());
    }
    Ok(())
}

#[anyio::test]
async fn waiting_for_a_predicate_looks_at_each_notification() -> Result<()> {
    let (lock, condition) = (Lock::new(0), Condition::new());
    task_group(async |tg| -> Result<()> {
        let waiter = tg.start_soon(async {
            let guard = condition.wait_for(lock.acquire().await?, |value| *value == 3).await?;
            anyio::Ok(*guard)
        });
        for _ in 0..3 {
            wait_all_tasks_blocked().await?;
            assert_eq!(condition.statistics().tasks_waiting, 1);
            let mut guard = lock.acquire().await?;
            *guard += 1;
            condition.notify_all(&guard);
        }
        assert_eq!(waiter.await?, 3);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_task_that_notifies_itself_gets_the_lock_when_its_other_future_releases_it() -> Result<()> {
    let (lock, condition) = (Lock::new(0), Condition::new());
    let waiting = async {
        let guard = condition.wait(lock.acquire().await?).await?;
        anyio::Ok(*guard)
    };
    let notifying = async {
        let mut guard = lock.acquire().await?;
        condition.notify_all(&guard);
        // The other future is polled while this one holds the lock.
        anyio::lowlevel::checkpoint().await?;
        *guard += 1;
        anyio::Ok(())
    };
    let (waited, notified) = futures::join!(waiting, notifying);
    notified?;
    assert_eq!(waited?, 1);
    Ok(())
}

#[anyio::test]
#[should_panic(expected = "two locks")]
async fn one_condition_with_two_locks_is_told() {
    let (one, other, condition) = (Lock::new(()), Lock::new(()), Condition::new());
    let mut waiting = pin!(condition.wait(one.acquire().await.unwrap()));
    begin(waiting.as_mut()).await;
    condition.notify(&other.acquire().await.unwrap(), 1);
}
