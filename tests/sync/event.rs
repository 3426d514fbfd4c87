//! `Event`.

use crate::backends::on_each_backend;
use anyio::{CancelScope, Error, Result, sync::Event, task_group, testing::wait_all_tasks_blocked};
use std::cell::Cell;

#[test]
fn setting_wakes_all_who_wait() {
    on_each_backend(async || {
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
    });
}

#[test]
fn a_wait_that_was_cancelled_first_stays_cancelled() {
    on_each_backend(async || {
        let (event, scope) = (Event::new(), CancelScope::new());
        task_group(async |tg| -> Result<()> {
            let waiter =
                tg.start_soon(async { scope.run(async || Ok::<_, Error>(event.wait().await?)).await });
            wait_all_tasks_blocked().await?;
            scope.cancel();
            event.set();
            assert_eq!(waiter.await?, None);
            Ok(())
        })
        .await?;
        Ok(())
    });
}

#[test]
fn a_wait_whose_event_came_before_the_cancellation_ends_well() {
    on_each_backend(async || {
        let (event, scope) = (Event::new(), CancelScope::new());
        task_group(async |tg| -> Result<()> {
            let waiter =
                tg.start_soon(async { scope.run(async || Ok::<_, Error>(event.wait().await?)).await });
            wait_all_tasks_blocked().await?;
            event.set();
            scope.cancel();
            assert_eq!(waiter.await?, Some(()));
            Ok(())
        })
        .await?;
        Ok(())
    });
}

#[test]
fn waiting_for_what_has_happened_is_a_checkpoint() {
    on_each_backend(async || {
        let (event, scope) = (Event::new(), CancelScope::new());
        event.set();
        scope.cancel();
        let waited = scope.run(async || Ok::<_, Error>(event.wait().await?)).await?;
        assert_eq!(waited, None);
        Ok(())
    });
}

#[test]
fn an_event_outlives_runs() {
    let event = Event::new();
    on_each_backend(async || {
        let scope = CancelScope::new();
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { scope.run(async || Ok::<_, Error>(event.wait().await?)).await });
            wait_all_tasks_blocked().await?;
            scope.cancel();
            Ok(())
        })
        .await?;
        Ok(())
    });
    assert_eq!(event.statistics().tasks_waiting, 0);
    event.set();
    on_each_backend(async || Ok(event.wait().await?));
}
