//! Sleeping.

use crate::processor_time::processor_time;
use anyio::{
    CancelScope, Result, current_time, foreign, lowlevel, move_on_after, sleep, sleep_forever, sleep_until,
    task_group,
};
use std::{
    cell::{Cell, RefCell},
    future::{Future as _, poll_fn},
    task::Poll,
    time::{Duration, Instant},
};

const SHORT: Duration = Duration::from_millis(3);

#[anyio::test]
async fn sleeping_lasts_at_least_as_long_as_asked() -> Result<()> {
    for duration in [Duration::from_nanos(1), Duration::from_micros(100), SHORT] {
        let before = Instant::now();
        sleep(duration).await?;
        assert!(before.elapsed() >= duration);
    }
    let at = current_time() + SHORT;
    sleep_until(at).await?;
    assert!(current_time() >= at);
    Ok(())
}

#[anyio::test(ordered = "several may be due at once")]
async fn sleepers_wake_in_the_order_of_their_moments() -> Result<()> {
    let order = RefCell::new(Vec::new());
    task_group(async |tg| -> Result<()> {
        let order = &order;
        for nap in [4u64, 2, 3, 1] {
            tg.start_soon(async move {
                sleep(Duration::from_millis(nap)).await?;
                order.borrow_mut().push(nap);
                Ok(())
            });
        }
        Ok(())
    })
    .await?;
    assert_eq!(order.into_inner(), [1, 2, 3, 4]);
    Ok(())
}

#[anyio::test(ordered = "those come first who were ready before")]
async fn zero_and_the_past_let_others_run_once() -> Result<()> {
    for past in [false, true] {
        let turns = Cell::new(0);
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { turns.set(turns.get() + 1) });
            if past {
                sleep_until(Instant::now() - SHORT).await?;
            } else {
                sleep(Duration::ZERO).await?;
            }
            assert_eq!(turns.get(), 1);
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[anyio::test(ordered = "those come first who were ready before")]
async fn a_cancellation_while_others_have_their_turn_reaches_a_sleep_of_zero() -> Result<()> {
    let scope = CancelScope::new();
    let ended = task_group(async |tg| -> Result<Option<()>> {
        tg.start_soon(async { scope.cancel() });
        scope.run(async || -> Result<()> { Ok(sleep(Duration::ZERO).await?) }).await
    })
    .await?;
    assert_eq!(ended, Some(None));
    Ok(())
}

#[anyio::test]
async fn sleeping_for_longer_than_time_lasts_is_for_ever() -> Result<()> {
    for duration in [Duration::MAX, Duration::from_secs(u64::MAX / 4)] {
        assert_eq!(
            move_on_after(Duration::from_millis(1), async { Ok::<_, anyio::Error>(sleep(duration).await?) })
                .await?,
            None
        );
    }
    Ok(())
}

#[anyio::test]
async fn a_sleep_that_is_dropped_or_moved_leaves_nothing() -> Result<()> {
    let waits = lowlevel::statistics().waits;
    let mut nap = sleep(SHORT);
    poll_fn(|cx| {
        assert!(std::pin::Pin::new(&mut nap).poll(cx).is_pending());
        Poll::Ready(())
    })
    .await;
    let moved = Box::new(nap);
    assert_eq!(lowlevel::statistics().waits, waits + 1);
    moved.await?;
    assert_eq!(lowlevel::statistics().waits, waits);
    Ok(())
}

#[anyio::test]
async fn a_million_sleepers_are_cancelled_in_one_scope() -> Result<()> {
    const COUNT: usize = 1_000_000;
    let scope = CancelScope::new();
    let ended = scope
        .run(async || -> Result<()> {
            let begun = processor_time();
            let mut naps: Vec<_> =
                (0..COUNT as u64).map(|n| sleep(Duration::from_secs(60 + n % 5000))).collect();
            poll_fn(|cx| {
                for nap in &mut naps {
                    assert!(std::pin::Pin::new(nap).poll(cx).is_pending());
                }
                Poll::Ready(())
            })
            .await;
            assert!(lowlevel::statistics().waits >= COUNT);
            let between = processor_time();
            scope.cancel();
            for nap in naps {
                assert!(nap.await.is_err());
            }
            // One that had to be looked for among the others would cost a million times as much.
            assert!(processor_time() - between < 20 * (between - begun));
            Err(sleep_forever().await.into())
        })
        .await?;
    assert_eq!(ended, None);
    Ok(())
}

#[anyio::test]
async fn a_sleep_is_woken_by_whom_polled_it_last() -> Result<()> {
    // Polled first with a waker that wakes nobody, then awaited.
    let mut nap = sleep(SHORT);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::Pin::new(&mut nap).poll(&mut context).is_pending());
    assert_eq!(foreign(async { nap.await.is_ok() }).await, Ok(true));
    Ok(())
}
