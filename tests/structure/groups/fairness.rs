//! Tasks that are always ready leave others their turn.

use super::SHORT;
use anyio::{Result, lowlevel, sleep, task_group};
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
    // The timers expire while the first child holds the thread; after the next look at the clock all are polled in one
    // turn, although the yielding child alone would use up the budget of that turn.
    let yields = Cell::new(0u32);
    let seen = RefCell::new(Vec::new());
    task_group(async |tg| -> Result<()> {
        let (yields, seen) = (&yields, &seen);
        for _ in 0..100 {
            tg.start_soon(async move {
                sleep(SHORT).await?;
                seen.borrow_mut().push(yields.get());
                Ok(())
            });
        }
        let yielding = tg.start_soon(async move {
            loop {
                lowlevel::checkpoint().await?;
                yields.set(yields.get() + 1);
                if yields.get() == 1000 {
                    std::thread::sleep(SHORT * 2);
                }
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
    let seen = seen.into_inner();
    assert!(seen.last().unwrap() - seen[0] <= 64 * 4, "from {} to {}", seen[0], seen[99]);
    Ok(())
}
