//! `Event`.

use anyio::{
    CancelScope, Error, Result, lowlevel, sleep_forever, sync::Event, task_group,
    testing::wait_all_tasks_blocked,
};
use std::{cell::Cell, future::poll_fn, task::Poll};

#[anyio::test]
async fn setting_wakes_all_who_wait() -> Result<()> {
    let (event, woken) = (Event::new(), Cell::new(0));
    task_group(async |tg| -> Result<()> {
        for _ in 0..3 {
            tg.start_soon(async {
                event.wait().await?;
                woken.set(woken.get() + 1);
                anyio::Ok(())
            });
        }
        wait_all_tasks_blocked().await?;
        assert_eq!((event.statistics().tasks_waiting, woken.get()), (3, 0));
        event.set();
        event.set();
        assert_eq!(event.statistics().tasks_waiting, 0);
        Ok(())
    })
    .await?;
    assert!(event.is_set());
    assert_eq!(woken.get(), 3);
    event.wait().await?;
    Ok(())
}

#[anyio::test]
async fn a_wait_that_was_cancelled_first_stays_cancelled() -> Result<()> {
    let (event, scope) = (Event::new(), CancelScope::new());
    task_group(async |tg| -> Result<()> {
        let waiter = tg.start_soon(async { scope.run(async || Ok::<_, Error>(event.wait().await?)).await });
        wait_all_tasks_blocked().await?;
        scope.cancel();
        event.set();
        assert_eq!(waiter.await?, None);
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_wait_whose_event_came_before_the_cancellation_ends_well() -> Result<()> {
    let (event, scope) = (Event::new(), CancelScope::new());
    task_group(async |tg| -> Result<()> {
        let waiter = tg.start_soon(async { scope.run(async || Ok::<_, Error>(event.wait().await?)).await });
        wait_all_tasks_blocked().await?;
        event.set();
        scope.cancel();
        assert_eq!(waiter.await?, Some(()));
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn waiting_for_what_has_happened_is_a_checkpoint() -> Result<()> {
    let (event, scope) = (Event::new(), CancelScope::new());
    event.set();
    scope.cancel();
    let waited = scope.run(async || Ok::<_, Error>(event.wait().await?)).await?;
    assert_eq!(waited, None);
    Ok(())
}

#[test]
fn an_event_outlives_runs() -> Result<()> {
    let event = Event::new();
    for _ in 0..2 {
        anyio::run(async || {
            let scope = CancelScope::new();
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async { scope.run(async || Ok::<_, Error>(event.wait().await?)).await });
                wait_all_tasks_blocked().await?;
                scope.cancel();
                Ok(())
            })
            .await
        })?;
        assert_eq!(event.statistics().tasks_waiting, 0);
    }
    event.set();
    anyio::run(async || Ok(event.wait().await?))
}

#[test]
fn a_wait_that_is_left_from_another_run_is_in_nobodys_way() -> Result<()> {
    let event = Event::new();
    let left = anyio::run(async || {
        let mut wait = Box::pin(event.wait());
        assert!(poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx).is_pending())).await);
        [wait]
    });
    assert_eq!(event.statistics().tasks_waiting, 0);
    anyio::run(async || {
        task_group(async |tg| -> Result<()> {
            let before = tg.start_soon(async { Ok::<_, Error>(event.wait().await?) });
            wait_all_tasks_blocked().await?;
            assert_eq!(event.statistics().tasks_waiting, 1);
            drop(left);
            let after = tg.start_soon(async { Ok::<_, Error>(event.wait().await?) });
            wait_all_tasks_blocked().await?;
            assert_eq!(event.statistics().tasks_waiting, 2);
            event.set();
            before.await?;
            after.await?;
            Ok(())
        })
        .await
    })?;
    Ok(())
}

#[anyio::test]
async fn a_million_waits_are_cancelled_in_one_scope() -> Result<()> {
    const COUNT: usize = 1_000_000;
    let (event, scope) = (Event::new(), CancelScope::new());
    let ended = scope
        .run(async || -> Result<()> {
            let mut waits: Vec<_> = (0..COUNT).map(|_| Box::pin(event.wait())).collect();
            // One poll of a task begins no more than some tens of waits without letting others run.
            for some in waits.chunks_mut(16) {
                poll_fn(|cx| {
                    for wait in &mut *some {
                        assert!(wait.as_mut().poll(cx).is_pending());
                    }
                    Poll::Ready(())
                })
                .await;
                lowlevel::checkpoint().await?;
            }
            assert_eq!(event.statistics().tasks_waiting, COUNT);
            scope.cancel();
            assert_eq!(event.statistics().tasks_waiting, 0);
            for wait in waits {
                assert!(wait.await.is_err());
            }
            Err(sleep_forever().await.into())
        })
        .await?;
    assert_eq!(ended, None);
    assert!(lowlevel::statistics().waits < COUNT);
    Ok(())
}
