//! Time limits: when they count from, who is responsible, and how they move.

use anyio::{
    CancelScope, Error, ReasonKind, Result, TimedOut, current_cancel_reason, current_effective_deadline,
    fail_after, fail_after_because, fail_at, fail_at_because, lowlevel, move_on_after, move_on_at, shield,
    sleep, sleep_forever, task_group,
};
use std::{
    cell::Cell,
    time::{Duration, Instant},
};

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_millis(3);

async fn forever() -> Result<()> {
    Err(sleep_forever().await.into())
}

#[anyio::test]
async fn moving_on_gives_none() -> Result<()> {
    let before = Instant::now();
    assert_eq!(move_on_after(SHORT, forever()).await?, None);
    assert_eq!(move_on_at(before + SHORT * 2, forever()).await?, None);
    assert!(before.elapsed() >= SHORT * 2);
    assert_eq!(move_on_after(None, async { anyio::Ok(1) }).await?, Some(1));
    assert_eq!(move_on_at(None, async { anyio::Ok(1) }).await?, Some(1));
    sleep(Duration::ZERO).await?;
    Ok(())
}

#[anyio::test]
async fn failing_gives_timed_out_which_is_no_cancellation() {
    let failed: Result<()> = fail_after(SHORT, forever()).await;
    assert!(matches!(failed, Err(Error::TimedOut(_))));
    let failed: Result<()> = fail_at(Instant::now(), forever()).await;
    assert!(matches!(failed, Err(Error::TimedOut(_))));
    let passed: Result<i32> = fail_after(None, async { Ok(1) }).await;
    assert_eq!(passed.unwrap(), 1);
    let other: std::io::Result<()> =
        fail_after(SHORT, async { Err(std::io::Error::from(sleep_forever().await)) }).await;
    assert_eq!(other.unwrap_err().kind(), std::io::ErrorKind::TimedOut);
    assert_eq!(TimedOut::new().to_string(), "the time allowed was over");
}

#[anyio::test]
async fn a_time_limit_tells_what_took_too_long_and_where_it_was_set() -> Result<()> {
    let line = line!() + 1;
    let failed: Result<()> = fail_after_because(SHORT, "reading the header", async {
        let cancelled = forever().await;
        let reason = current_cancel_reason().expect("time is over");
        assert_eq!((reason.kind(), reason.message()), (ReasonKind::Deadline, Some("reading the header")));
        assert_eq!((reason.location().file(), reason.location().line()), (file!(), line));
        cancelled
    })
    .await;
    let Err(Error::TimedOut(error)) = failed else { panic!("{failed:?}") };
    assert_eq!(error.to_string(), "the time allowed was over: reading the header");
    assert_eq!((error.location().file(), error.location().line()), (file!(), line));

    let failed: Result<()> = fail_at_because(Instant::now(), "the rest", forever()).await;
    assert_eq!(failed.unwrap_err().to_string(), "the time allowed was over: the rest");

    let line = line!() + 1;
    let plain: Result<()> = fail_after(SHORT, forever()).await;
    let Err(Error::TimedOut(error)) = plain else { panic!("{plain:?}") };
    assert_eq!((error.message(), error.location().line()), (None, line));
    // It survives the way through an error of the standard library.
    let Error::TimedOut(back) = Error::from(std::io::Error::from(Error::TimedOut(error.clone()))) else {
        panic!("it became something else")
    };
    assert_eq!(back, error);
    Ok(())
}

#[anyio::test]
async fn a_named_scope_tells_why_its_time_was_over() -> Result<()> {
    let scope = CancelScope::new().with_timeout_message("the answer").with_timeout(SHORT);
    assert_eq!(scope.reason(), None, "it is not over yet");
    assert_eq!(scope.run(forever).await?, None);
    let reason = scope.reason().unwrap();
    assert_eq!((reason.kind(), reason.message()), (ReasonKind::Deadline, Some("the answer")));
    assert_eq!(reason.location().file(), file!());

    // Whoever cancels first is the reason.
    let scope = CancelScope::new().with_timeout(LONG).with_timeout_message("never told");
    scope.cancel_because("by hand");
    assert_eq!(scope.run(forever).await?, None);
    let reason = scope.reason().unwrap();
    assert_eq!((reason.kind(), reason.message()), (ReasonKind::Explicit, Some("by hand")));

    // A deadline that is moved keeps the text, and is set where it was moved last.
    let scope = CancelScope::new().with_timeout(LONG).with_timeout_message("moved");
    let line = line!() + 1;
    scope.set_deadline(Some(Instant::now()));
    assert_eq!(scope.run(forever).await?, None);
    let reason = scope.reason().unwrap();
    assert_eq!((reason.message(), reason.location().line()), (Some("moved"), line));
    Ok(())
}

#[anyio::test]
async fn a_limit_of_zero_or_in_the_past_cancels_at_the_first_checkpoint() -> Result<()> {
    for deadline in [Instant::now(), Instant::now() - Duration::from_millis(1)] {
        let begun = Cell::new(false);
        let ended = move_on_at(deadline, async {
            begun.set(true);
            forever().await
        })
        .await?;
        assert_eq!((ended, begun.get()), (None, true));
    }
    assert_eq!(
        move_on_after(Duration::ZERO, async { Ok::<_, Error>(lowlevel::checkpoint().await?) }).await?,
        None
    );
    Ok(())
}

#[anyio::test]
async fn the_outer_and_earlier_of_two_limits_wins() -> Result<()> {
    let inner = CancelScope::new().with_timeout(LONG);
    let outer = CancelScope::new().with_timeout(SHORT);
    let ended = outer
        .run(async || -> Result<()> {
            let at = current_effective_deadline().unwrap();
            inner
                .run(async || -> Result<()> {
                    assert_eq!(current_effective_deadline().unwrap(), at);
                    forever().await
                })
                .await?;
            Ok(())
        })
        .await?;
    assert_eq!(ended, None);
    assert!(outer.cancelled_caught() && !inner.cancel_called());
    assert_eq!(outer.reason().map(|reason| reason.kind()), Some(ReasonKind::Deadline));
    Ok(())
}

#[anyio::test]
async fn an_outer_cancellation_is_not_taken_for_a_timeout() -> Result<()> {
    let scope = CancelScope::new();
    let ended = scope
        .run(async || -> Result<()> {
            scope.cancel();
            let failed: Result<()> = fail_after(LONG, forever()).await;
            assert!(matches!(failed, Err(Error::Cancelled(_))));
            failed
        })
        .await?;
    assert_eq!(ended, None);
    Ok(())
}

#[anyio::test]
async fn a_deadline_is_moved_to_be_earlier_later_past_and_none() -> Result<()> {
    let before = Instant::now();
    let earlier = CancelScope::new().with_timeout(LONG);
    let ended = task_group(async |tg| -> Result<Option<()>> {
        tg.start_soon(async { earlier.set_deadline(Some(before + SHORT)) });
        earlier.run(async || forever().await).await
    })
    .await?;
    assert_eq!(ended, Some(None));
    assert!(before.elapsed() >= SHORT);

    let later = CancelScope::new().with_timeout(SHORT);
    let slept = later
        .run(async || -> Result<()> {
            sleep(Duration::ZERO).await?;
            later.set_deadline(Some(Instant::now() + LONG));
            Ok(sleep(SHORT * 2).await?)
        })
        .await?;
    assert_eq!(slept, Some(()));

    let past = CancelScope::new();
    let ended = past
        .run(async || -> Result<()> {
            past.set_deadline(Some(Instant::now()));
            assert!(past.cancel_called() && lowlevel::is_cancelled());
            // From now on it has no effect.
            past.set_deadline(None);
            past.set_deadline(Some(Instant::now() + LONG));
            forever().await
        })
        .await?;
    assert_eq!(ended, None);

    let none = CancelScope::new().with_timeout(SHORT);
    let slept = none
        .run(async || -> Result<()> {
            sleep(Duration::ZERO).await?;
            none.set_deadline(None);
            assert_eq!(current_effective_deadline(), Ok(None));
            Ok(sleep(SHORT * 2).await?)
        })
        .await?;
    assert_eq!(slept, Some(()));
    Ok(())
}

#[anyio::test]
async fn a_span_counts_from_when_the_body_waits_and_is_fixed_by_asking() -> Result<()> {
    let scope = CancelScope::new().with_timeout(LONG);
    std::thread::sleep(SHORT);
    let before = Instant::now();
    scope
        .run(async || -> Result<()> {
            sleep(Duration::ZERO).await?;
            let at = scope.deadline().unwrap();
            assert!(at >= before + LONG);
            sleep(SHORT).await?;
            assert_eq!(scope.deadline(), Some(at));
            Ok(())
        })
        .await?;
    Ok(())
}

#[anyio::test]
async fn a_body_that_ends_in_time_leaves_no_timer() -> Result<()> {
    let waits = lowlevel::statistics().waits;
    for _ in 0..100 {
        assert_eq!(
            move_on_after(LONG, async { Ok::<_, Error>(sleep(Duration::ZERO).await?) }).await?,
            Some(())
        );
    }
    assert_eq!(lowlevel::statistics().waits, waits);
    Ok(())
}

#[anyio::test]
async fn a_value_after_the_deadline_counts() -> Result<()> {
    let ended = move_on_after(SHORT, async {
        let _ = sleep_forever().await;
        anyio::Ok(5)
    })
    .await?;
    assert_eq!(ended, Some(5));
    Ok(())
}

#[anyio::test]
async fn a_limit_works_after_an_earlier_one_in_the_same_task() -> Result<()> {
    for _ in 0..3 {
        assert_eq!(move_on_after(Duration::from_millis(1), forever()).await?, None);
    }
    Ok(())
}

#[anyio::test]
async fn a_limit_beyond_all_time_is_none() -> Result<()> {
    let ended = move_on_after(Duration::MAX, async { Ok::<_, Error>(sleep(Duration::ZERO).await?) }).await?;
    assert_eq!(ended, Some(()));
    Ok(())
}

#[anyio::test]
async fn a_thousand_deadlines_pass_in_one_turn() -> Result<()> {
    let at = Instant::now() + SHORT;
    let ended = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        for _ in 0..1000 {
            tg.start_soon(async {
                if move_on_at(at, forever()).await?.is_none() {
                    ended.set(ended.get() + 1);
                }
                Ok(())
            });
        }
        Ok(())
    })
    .await?;
    assert_eq!(ended.get(), 1000);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_deadline_that_has_passed_takes_nobody_elses_timer_away() -> Result<()> {
    let slept = Cell::new(0);
    task_group(async |tg| -> Result<()> {
        let scope = CancelScope::new().with_timeout(SHORT);
        let ended = scope.run(async || -> Result<()> {
            shield(sleep(SHORT * 2)).await?;
            // Some timer has the place now that the deadline had.
            for _ in 0..8 {
                tg.start_soon(async {
                    sleep(SHORT * 9).await?;
                    slept.set(slept.get() + 1);
                    anyio::Ok(())
                });
            }
            Ok(shield(sleep(SHORT)).await?)
        });
        assert_eq!(ended.await?, Some(()), "a value counts, although the time was over");
        Ok(())
    })
    .await?;
    assert_eq!(slept.get(), 8);
    Ok(())
}
