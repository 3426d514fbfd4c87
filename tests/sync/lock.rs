//! `Lock`.

use anyio::{
    CancelScope, Error, Result,
    lowlevel::checkpoint,
    sync::{Event, Lock},
    task_group,
    testing::{current_task, wait_all_tasks_blocked},
};
use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
};

/// Polls a future once, which must not be ready.
pub(crate) async fn begin(mut future: Pin<&mut impl Future>) {
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
}

#[anyio::test]
async fn one_task_at_a_time_is_inside_in_the_order_of_arrival() -> Result<()> {
    let (lock, arrivals) = (Lock::new(vec![]), RefCell::new(vec![]));
    task_group(async |tg| -> Result<()> {
        for number in 0..4 {
            let (lock, arrivals) = (&lock, &arrivals);
            tg.start_soon(async move {
                arrivals.borrow_mut().push(number);
                let mut guard = lock.acquire().await?;
                let before = guard.len();
                checkpoint().await?;
                assert_eq!(guard.len(), before);
                guard.push(number);
                anyio::Ok(())
            });
        }
        Ok(())
    })
    .await?;
    assert_eq!(lock.into_inner(), arrivals.into_inner());
    Ok(())
}

#[anyio::test]
async fn a_free_lock_is_acquired_without_a_turn_of_others() -> Result<()> {
    let (lock, others) = (Lock::new(()), Cell::new(0));
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            others.set(1);
            anyio::Ok(())
        });
        let guard = lock.acquire().await?;
        assert!(lock.locked() && lock.statistics().locked);
        assert_eq!(others.get(), 0);
        drop(guard);
        assert!(!lock.locked());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn trying_fails_while_it_is_held_and_right_after_it_was_handed_over() -> Result<()> {
    let (lock, waited) = (Lock::new(()), Cell::new(false));
    task_group(async |tg| -> Result<()> {
        let guard = lock.try_acquire()?;
        assert!(matches!(lock.try_acquire(), Err(Error::WouldBlock)));
        tg.start_soon(async {
            let guard = lock.acquire().await?;
            assert!(lock.statistics().owned_by_current_task);
            waited.set(true);
            drop(guard);
            anyio::Ok(())
        })
        .set_name("second");
        wait_all_tasks_blocked().await?;
        assert!(lock.statistics().owned_by_current_task);
        assert_eq!(lock.statistics().owner.unwrap().id, current_task().id);
        assert_eq!(lock.statistics().tasks_waiting, 1);
        drop(guard);
        assert!(lock.locked() && !waited.get());
        assert_eq!(lock.statistics().owner.unwrap().name.as_deref(), Some("second"));
        assert!(!lock.statistics().owned_by_current_task);
        assert!(matches!(lock.try_acquire(), Err(Error::WouldBlock)));
        wait_all_tasks_blocked().await?;
        assert!(waited.get());
        drop(lock.try_acquire()?);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_task_that_acquires_a_lock_that_it_holds_is_told() -> Result<()> {
    let lock = Lock::new(());
    let guard = lock.acquire().await?;
    assert!(matches!(lock.acquire().await, Err(Error::AlreadyAcquired)));
    assert!(matches!(lock.try_acquire(), Err(Error::WouldBlock)));
    // It is still held, and a cancellation comes first.
    assert!(lock.statistics().owned_by_current_task);
    let scope = CancelScope::new();
    scope.cancel();
    assert!(scope.run(async || lock.acquire().await.map(drop)).await?.is_none());
    drop(guard);
    drop(lock.acquire().await?);
    Ok(())
}

#[anyio::test]
async fn futures_of_one_task_are_one_owner_and_tasks_of_a_group_are_not() -> Result<()> {
    let lock = Lock::new(0);
    let add = async |n: i32| {
        let mut guard = lock.acquire().await?;
        anyio::lowlevel::checkpoint().await?;
        *guard += n;
        anyio::Ok(())
    };
    let (first, second) = futures::join!(add(1), add(2));
    first?;
    assert!(matches!(second, Err(Error::AlreadyAcquired)));
    anyio::gather([add(4), add(8)]).await?;
    assert_eq!(*lock.acquire().await?, 13);
    Ok(())
}

#[anyio::test]
async fn a_cancelled_waiter_never_gets_it_whatever_comes_first() -> Result<()> {
    for release_first in [false, true] {
        let (lock, scope) = (Lock::new(()), CancelScope::new());
        task_group(async |tg| -> Result<()> {
            let guard = lock.acquire().await?;
            let waiter = tg.start_soon(async {
                scope
                    .run(async || {
                        let _guard = lock.acquire().await?;
                        checkpoint().await?;
                        Ok::<_, Error>(())
                    })
                    .await
            });
            wait_all_tasks_blocked().await?;
            if release_first {
                drop(guard);
                scope.cancel();
            } else {
                scope.cancel();
                drop(guard);
                assert!(!lock.locked(), "a doomed waiter is passed over");
            }
            assert_eq!(waiter.await?, None);
            Ok(())
        })
        .await?;
        assert!(!lock.locked());
    }
    Ok(())
}

#[anyio::test]
async fn a_waiter_that_is_dropped_after_its_turn_came_hands_it_on() -> Result<()> {
    let (lock, given, order) = (Lock::new(()), Event::new(), RefCell::new(vec![]));
    task_group(async |tg| -> Result<()> {
        let guard = lock.acquire().await?;
        let (lock, given, order) = (&lock, &given, &order);
        let child = tg.start_soon(async move {
            let mut dropped = pin!(lock.acquire());
            begin(dropped.as_mut()).await;
            given.wait().await?;
            order.borrow_mut().push(0);
            anyio::Ok(())
        });
        wait_all_tasks_blocked().await?;
        for number in 1..3 {
            tg.start_soon(async move {
                let _guard = lock.acquire().await?;
                order.borrow_mut().push(number);
                anyio::Ok(())
            });
            wait_all_tasks_blocked().await?;
        }
        assert_eq!(lock.statistics().tasks_waiting, 3);
        drop(guard);
        given.set();
        child.await?;
        Ok(())
    })
    .await?;
    assert_eq!(*order.borrow(), [0, 1, 2]);
    assert!(!lock.locked());
    Ok(())
}

#[anyio::test]
async fn in_a_cancelled_scope_a_free_lock_is_not_acquired() -> Result<()> {
    let (lock, scope) = (Lock::new(()), CancelScope::new());
    scope.cancel();
    assert!(scope.run(async || Ok::<_, Error>(lock.acquire().await?)).await?.is_none());
    assert!(!lock.locked());
    Ok(())
}

#[test]
fn a_lock_works_outside_of_a_run() {
    let lock = Lock::new(1);
    let guard = lock.try_acquire().unwrap();
    assert!(lock.try_acquire().is_err());
    assert_eq!(lock.statistics().tasks_waiting, 0);
    drop(guard);
    anyio::run(async || *lock.acquire().await.unwrap() += 1);
    assert_eq!(lock.into_inner(), 2);
}
