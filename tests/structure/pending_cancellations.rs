//! Tasks that are cancelled and have not come to know.

use anyio::{
    CancelScope, ReasonKind, Result, current_cancel_reason,
    lowlevel::{checkpoint, is_cancelled},
    shield, sleep_forever,
    sync::Event,
    task_group,
    testing::{TaskInfo, running_tasks, wait_all_tasks_blocked},
};
use std::cell::Cell;

fn named(name: &str) -> TaskInfo {
    running_tasks().into_iter().find(|task| task.name.as_deref() == Some(name)).expect("such a task")
}

#[anyio::test]
async fn a_task_that_is_cancelled_has_run_before_all_tasks_are_blocked() -> Result<()> {
    let (event, ended) = (Event::new(), Cell::new(false));
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            scope.run(async || anyio::Ok(event.wait().await?)).await?;
            ended.set(true);
            anyio::Ok(())
        });
        wait_all_tasks_blocked().await?;
        assert_eq!(event.statistics().tasks_waiting, 1);
        scope.cancel();
        assert!(!ended.get());
        wait_all_tasks_blocked().await?;
        assert!(ended.get());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_cancelled_task_that_cleans_up_behind_a_shield_is_blocked() -> Result<()> {
    let (clean, ended) = (Event::new(), Cell::new(false));
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            scope
                .run(async || {
                    let cancelled = sleep_forever().await;
                    shield(clean.wait()).await?;
                    ended.set(true);
                    Err::<(), anyio::Error>(cancelled.into())
                })
                .await
                .map(drop)
        });
        wait_all_tasks_blocked().await?;
        scope.cancel();
        wait_all_tasks_blocked().await?;
        assert_eq!((clean.statistics().tasks_waiting, ended.get()), (1, false));
        clean.set();
        wait_all_tasks_blocked().await?;
        assert!(ended.get());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_cancellation_that_another_task_is_to_meet_can_be_seen() -> Result<()> {
    let clean = Event::new();
    task_group(async |tg| -> Result<()> {
        let plain =
            tg.start_soon(async { Err::<(), anyio::Error>(sleep_forever().await.into()) }).named("plain");
        let _shielded = tg
            .start_soon(async {
                shield(clean.wait()).await?;
                anyio::Ok(())
            })
            .named("shielded");
        wait_all_tasks_blocked().await?;
        assert!(!named("plain").has_pending_cancellation && !named("shielded").has_pending_cancellation);
        plain.cancel_because("enough");
        assert!(named("plain").has_pending_cancellation && !named("shielded").has_pending_cancellation);
        wait_all_tasks_blocked().await?;
        assert!(running_tasks().iter().all(|task| task.name.as_deref() != Some("plain")));
        tg.cancel();
        assert!(anyio::testing::current_task().has_pending_cancellation);
        assert!(!named("shielded").has_pending_cancellation);
        clean.set();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn who_is_cancelled_for_a_failed_sibling_can_read_where_that_was_started() {
    let seen = Cell::new(None);
    let failed = task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let cancelled = sleep_forever().await;
            seen.set(current_cancel_reason());
            Err::<(), anyio::Error>(cancelled.into())
        });
        tg.start_soon(async { Err::<(), _>(anyio::Error::WouldBlock) });
        Ok(())
    })
    .await;
    assert_eq!(failed.unwrap_err().len(), 1);
    let reason = seen.take().unwrap();
    assert_eq!(reason.kind(), ReasonKind::SiblingFailed);
    assert!(reason.location().file().ends_with("pending_cancellations.rs"), "{reason}");
    assert!(reason.to_string().contains("pending_cancellations.rs"), "{reason}");
}

#[anyio::test]
async fn a_group_and_a_child_are_cancelled_with_a_reason() -> Result<()> {
    let reasons = Cell::new(Vec::new());
    let note = async || {
        let cancelled = sleep_forever().await;
        let reason = current_cancel_reason().unwrap();
        assert_eq!(reason.kind(), ReasonKind::Explicit);
        assert!(reason.location().file().ends_with("pending_cancellations.rs"));
        let mut noted = reasons.take();
        noted.push(reason.message().unwrap().to_owned());
        reasons.set(noted);
        Err::<(), anyio::Error>(cancelled.into())
    };
    task_group(async |tg| -> Result<()> {
        let first = tg.start_soon(note());
        tg.start_soon(note());
        wait_all_tasks_blocked().await?;
        first.cancel_because("the first alone");
        wait_all_tasks_blocked().await?;
        tg.cancel_because("all of them");
        Ok(())
    })
    .await?;
    assert_eq!(reasons.take(), ["the first alone", "all of them"]);
    Ok(())
}

#[anyio::test]
async fn a_scope_that_waits_knows_of_a_cancellation_in_the_first_poll_of_those_around_it() -> Result<()> {
    let (outer, event, seen) = (CancelScope::new(), Event::new(), Cell::new(None));
    let cancelled = outer
        .run(async || {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    outer.cancel();
                    event.set();
                    anyio::Ok(())
                });
                // This waits, the child cancels, and this goes on: all before the group or the scope has waited.
                CancelScope::new()
                    .run(async || {
                        let waited = event.wait().await;
                        seen.set(Some((waited.is_err(), is_cancelled(), checkpoint().await.is_err())));
                        anyio::Ok(())
                    })
                    .await?;
                Ok(())
            })
            .await?;
            anyio::Ok(())
        })
        .await?;
    assert_eq!(seen.get(), Some((true, true, true)));
    // What is in the scope has ended by itself all the same.
    assert_eq!(cancelled, Some(()));
    Ok(())
}
