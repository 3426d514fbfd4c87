//! `Semaphore`.

use crate::lock::begin;
use anyio::{
    CancelScope, Error, Result, lowlevel::checkpoint, sync::Semaphore, task_group,
    testing::wait_all_tasks_blocked,
};
use std::{cell::Cell, pin::pin};

#[anyio::test]
async fn the_value_goes_down_and_comes_back() -> Result<()> {
    let semaphore = Semaphore::new(2);
    let one = semaphore.acquire().await?;
    let other = semaphore.try_acquire()?;
    assert_eq!(semaphore.value(), 0);
    assert!(matches!(semaphore.try_acquire(), Err(Error::WouldBlock)));
    drop((one, other));
    assert_eq!(semaphore.value(), 2);
    assert_eq!(semaphore.max_value(), None);
    Ok(())
}

#[anyio::test]
async fn no_more_tasks_are_inside_than_there_are_permits() -> Result<()> {
    let (semaphore, inside, most) = (Semaphore::new(2), Cell::new(0), Cell::new(0));
    task_group(async |tg| -> Result<()> {
        for _ in 0..6 {
            tg.start_soon(async {
                let _permit = semaphore.acquire().await?;
                inside.set(inside.get() + 1);
                most.set(most.get().max(inside.get()));
                // As many are inside as may be.
                wait_all_tasks_blocked().await?;
                inside.set(inside.get() - 1);
                anyio::Ok(())
            });
        }
        Ok(())
    })
    .await?;
    assert_eq!((most.get(), semaphore.value()), (2, 2));
    Ok(())
}

#[anyio::test]
async fn a_permit_that_is_given_back_belongs_to_who_waits() -> Result<()> {
    let semaphore = Semaphore::new(1);
    task_group(async |tg| -> Result<()> {
        let permit = semaphore.acquire().await?;
        tg.start_soon(async {
            let _permit = semaphore.acquire().await?;
            anyio::Ok(())
        });
        wait_all_tasks_blocked().await?;
        assert_eq!(semaphore.statistics().tasks_waiting, 1);
        drop(permit);
        assert_eq!(semaphore.value(), 0);
        assert!(matches!(semaphore.try_acquire(), Err(Error::WouldBlock)));
        Ok(())
    })
    .await?;
    assert_eq!(semaphore.value(), 1);
    Ok(())
}

#[anyio::test]
async fn a_cancelled_waiter_takes_no_permit() -> Result<()> {
    for release_first in [false, true] {
        let (semaphore, scope) = (Semaphore::new(1), CancelScope::new());
        task_group(async |tg| -> Result<()> {
            let permit = semaphore.acquire().await?;
            let waiter = tg.start_soon(async {
                scope
                    .run(async || {
                        let _permit = semaphore.acquire().await?;
                        checkpoint().await?;
                        Ok::<_, Error>(())
                    })
                    .await
            });
            wait_all_tasks_blocked().await?;
            if release_first {
                drop(permit);
                scope.cancel();
            } else {
                scope.cancel();
                drop(permit);
            }
            assert_eq!(waiter.await?, None);
            Ok(())
        })
        .await?;
        assert_eq!(semaphore.value(), 1);
    }
    Ok(())
}

#[anyio::test]
async fn a_waiter_that_is_dropped_after_its_turn_came_hands_the_permit_on() -> Result<()> {
    let semaphore = Semaphore::new(0);
    task_group(async |tg| -> Result<()> {
        {
            let mut dropped = pin!(semaphore.acquire());
            begin(dropped.as_mut()).await;
            tg.start_soon(async {
                semaphore.acquire().await?.forget();
                anyio::Ok(())
            });
            wait_all_tasks_blocked().await?;
            semaphore.release();
            assert_eq!(semaphore.statistics().tasks_waiting, 1);
        }
        assert_eq!((semaphore.statistics().tasks_waiting, semaphore.value()), (0, 0));
        Ok(())
    })
    .await?;
    Ok(())
}

#[test]
#[should_panic(expected = "beyond its maximum")]
fn the_maximum_is_not_exceeded() {
    let semaphore = Semaphore::with_max_value(1, 2);
    assert_eq!(semaphore.max_value(), Some(2));
    semaphore.release();
    semaphore.release();
}

#[test]
#[should_panic(expected = "beyond its maximum")]
fn there_are_no_more_permits_than_can_be_counted() {
    let semaphore = Semaphore::new(usize::MAX);
    drop(semaphore.try_acquire().unwrap());
    assert_eq!(semaphore.value(), usize::MAX);
    semaphore.release();
}

#[test]
fn giving_back_permits_after_others_were_added_keeps_to_the_maximum() {
    let semaphore = Semaphore::with_max_value(1, 1);
    let permit = semaphore.try_acquire().unwrap();
    semaphore.release();
    drop(permit);
    assert_eq!(semaphore.value(), 1);
}

#[test]
#[should_panic(expected = "more than its maximum")]
fn a_semaphore_does_not_begin_beyond_its_maximum() {
    let _ = Semaphore::with_max_value(2, 1);
}
