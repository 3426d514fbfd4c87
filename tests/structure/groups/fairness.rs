//! Tasks that are always ready leave others their turn.

use anyio::{Result, lowlevel, sleep, sleep_until, task_group};
use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

#[anyio::test]
async fn a_task_that_yields_for_ever_starves_neither_timers_nor_other_groups() -> Result<()> {
    let turns = Cell::new(0u64);
    let before = Instant::now();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            loop {
                lowlevel::checkpoint().await?;
            }
            #[expect(unreachable_code, reason = "names the type")]
            anyio::Ok(())
        });
        let turns = &turns;
        tg.start_soon(async move {
            task_group(async |inner| -> Result<()> {
                inner.start_soon(async {
                    loop {
                        lowlevel::checkpoint().await?;
                        turns.set(turns.get() + 1);
                    }
                    #[expect(unreachable_code, reason = "names the type")]
                    anyio::Ok(())
                });
                Ok(())
            })
            .await?;
            Ok(())
        });
        sleep(Duration::from_millis(5)).await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    assert!(turns.get() > 50, "{}", turns.get());
    assert!(before.elapsed() < Duration::from_secs(2));
    Ok(())
}

#[anyio::test]
async fn what_a_timer_woke_is_polled_before_what_yields_goes_on() -> Result<()> {
    // All wait for the same moment, so all are polled in one turn, although the yielding child alone would use up the budget
    // of that turn. On a slow machine it may come while some do not wait yet; then a later one is chosen.
    let mut span = Duration::from_millis(20);
    loop {
        let moment = Instant::now() + span;
        let (yields, in_time) = (Cell::new(0u32), Cell::new(true));
        let seen = RefCell::new(Vec::new());
        task_group(async |tg| -> Result<()> {
            let (yields, in_time, seen) = (&yields, &in_time, &seen);
            for _ in 0..100 {
                tg.start_soon(async move {
                    in_time.set(in_time.get() && Instant::now() < moment - span / 2);
                    sleep_until(moment).await?;
                    seen.borrow_mut().push(yields.get());
                    Ok(())
                });
            }
            let yielding = tg.start_soon(async move {
                loop {
                    lowlevel::checkpoint().await?;
                    yields.set(yields.get() + 1);
                }
                #[expect(unreachable_code, reason = "names the type")]
                anyio::Ok(())
            });
            while seen.borrow().len() < 100 {
                lowlevel::checkpoint().await?;
            }
            yielding.cancel();
            Ok(())
        })
        .await?;
        if in_time.get() {
            let seen = seen.into_inner();
            assert!(seen.last().unwrap() - seen[0] <= 64 * 4, "from {} to {}", seen[0], seen[99]);
            return Ok(());
        }
        span *= 2;
    }
}
