//! Shields: what they keep off, and what happens when they are switched.

use anyio::{
    CancelScope, Error, Result, current_effective_deadline, lowlevel, move_on_after, shield, sleep,
    sleep_forever, task_group,
};
use std::{
    cell::Cell,
    future::Future as _,
    time::{Duration, Instant},
};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(2);

async fn forever() -> Result<()> {
    Err(sleep_forever().await.into())
}

#[anyio::test]
async fn what_is_shielded_completes_and_what_follows_does_not() -> Result<()> {
    let (scope, slept) = (CancelScope::new(), Cell::new(false));
    let ended = scope
        .run(async || -> Result<()> {
            scope.cancel();
            shield(async {
                assert!(!lowlevel::is_cancelled());
                slept.set(sleep(SHORT).await.is_ok());
            })
            .await;
            assert!(lowlevel::is_cancelled());
            forever().await
        })
        .await?;
    assert_eq!((ended, slept.get()), (None, true));
    Ok(())
}

#[anyio::test]
async fn a_shielded_scope_hears_its_own_cancellation_and_deadline() -> Result<()> {
    let scope = CancelScope::new().shielded();
    let ended = task_group(async |tg| -> Result<Option<()>> {
        tg.start_soon(async { scope.cancel() });
        scope.run(async || forever().await).await
    })
    .await?;
    assert_eq!(ended, Some(None));
    let timed = CancelScope::new().shielded().with_timeout(SHORT);
    assert_eq!(timed.run(async || forever().await).await?, None);
    Ok(())
}

#[anyio::test]
async fn a_shield_that_comes_up_late_lets_waits_begin_again() -> Result<()> {
    let (outer, inner) = (CancelScope::new(), CancelScope::new());
    let ended = outer
        .run(async || -> Result<i32> {
            task_group(async |tg| -> Result<()> {
                tg.start_soon(async {
                    // The wait is cancelled, but not polled before the shield comes up.
                    outer.cancel();
                    inner.set_shield(true);
                });
                let slept = inner.run(async || -> Result<bool> { Ok(sleep(SHORT).await.is_ok()) }).await?;
                assert_eq!(slept, Some(true));
                Ok(())
            })
            .await?;
            Ok(4)
        })
        .await?;
    assert_eq!(ended, Some(4));
    Ok(())
}

#[anyio::test]
async fn a_shield_that_goes_lets_a_pending_cancellation_in() -> Result<()> {
    let (outer, inner) = (CancelScope::new(), CancelScope::new().shielded());
    let ended = outer
        .run(async || -> Result<()> {
            task_group(async |tg| -> Result<()> {
                let inner = &inner;
                tg.start_soon(async {
                    let _ = shield(sleep(SHORT)).await;
                    inner.set_shield(false);
                });
                outer.cancel();
                let inside = inner.run(async || forever().await).await;
                assert!(matches!(inside, Err(Error::Cancelled(_))));
                inside.map(|_| ())
            })
            .await?;
            Ok(())
        })
        .await?;
    assert_eq!(ended, None);
    assert!(!inner.cancelled_caught());
    Ok(())
}

#[anyio::test]
async fn a_shield_can_be_switched_within_its_scope() -> Result<()> {
    let (outer, inner) = (CancelScope::new(), CancelScope::new());
    let ended = outer
        .run(async || -> Result<Option<()>> {
            outer.cancel();
            inner
                .run(async || -> Result<()> {
                    assert!(lowlevel::is_cancelled());
                    inner.set_shield(true);
                    sleep(SHORT).await?;
                    inner.set_shield(false);
                    assert!(lowlevel::is_cancelled());
                    forever().await
                })
                .await
        })
        .await?;
    assert_eq!(ended, None);
    Ok(())
}

#[anyio::test]
async fn deadlines_further_out_are_hidden_by_a_shield() -> Result<()> {
    let at = Instant::now() + LONG;
    let scope = CancelScope::new().with_deadline(at);
    scope
        .run(async || -> Result<()> {
            assert_eq!(current_effective_deadline(), Ok(Some(at)));
            shield(async { assert_eq!(current_effective_deadline(), Ok(None)) }).await;
            scope.cancel();
            assert!(current_effective_deadline().is_err());
            shield(async { assert_eq!(current_effective_deadline(), Ok(None)) }).await;
            Ok(())
        })
        .await?;
    Ok(())
}

#[anyio::test]
async fn a_checkpoint_outside_of_a_shield_sees_cancellations_made_inside() -> Result<()> {
    let (outer, middle, inner) = (CancelScope::new(), CancelScope::new(), CancelScope::new().shielded());
    let ended = outer
        .run(async || -> Result<()> {
            middle
                .run(async || -> Result<()> {
                    inner
                        .run(async || -> Result<()> {
                            outer.cancel();
                            middle.cancel();
                            lowlevel::checkpoint().await?;
                            Ok(())
                        })
                        .await?;
                    assert!(lowlevel::checkpoint().await.is_err());
                    Ok(())
                })
                .await?;
            assert!(lowlevel::checkpoint().await.is_err());
            forever().await
        })
        .await?;
    assert_eq!(ended, None);
    Ok(())
}

#[anyio::test]
async fn a_timeout_works_within_a_shield() -> Result<()> {
    let scope = CancelScope::new();
    scope.cancel();
    let ended =
        scope.run(async || -> Result<Option<()>> { shield(move_on_after(SHORT, forever())).await }).await?;
    assert_eq!(ended, Some(None));
    Ok(())
}

#[anyio::test]
async fn a_child_is_cancelled_although_the_body_is_shielded() -> Result<()> {
    let cancelled = Cell::new(false);
    task_group(async |tg| -> Result<()> {
        let cancelled = &cancelled;
        shield(async {
            tg.start_soon(async move {
                cancelled.set(forever().await.is_err());
            });
            tg.cancel();
            sleep(SHORT).await
        })
        .await?;
        assert!(cancelled.get());
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_group_waits_for_a_shielded_child_without_spinning() -> Result<()> {
    let before = Instant::now();
    let polls = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        let polls = &polls;
        tg.start_soon(async move {
            let mut nap = std::pin::pin!(shield(sleep(Duration::from_millis(5))));
            std::future::poll_fn(|cx| {
                polls.set(polls.get() + 1);
                nap.as_mut().poll(cx)
            })
            .await
            .map_err(Error::from)
        });
        sleep(Duration::ZERO).await?;
        tg.cancel();
        forever().await
    })
    .await?;
    assert!(before.elapsed() >= Duration::from_millis(5));
    assert!(polls.get() < 5, "polled {} times", polls.get());
    Ok(())
}
