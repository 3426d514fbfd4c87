//! Tokio's clock stands, or jumps, and that of the run goes on.

use super::{host, on_each, processor_time::processor_time};
use anyio::{Result, sleep};
use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

const SLEEP: Duration = Duration::from_millis(100);

#[test]
fn a_run_waits_by_the_real_clock_and_lets_tokios_jump_meanwhile() {
    on_each(|builder| {
        let run = anyio_tokio::run(builder, async || -> Result<()> {
            tokio::time::pause();
            let hours = Rc::new(Cell::new(0_u64));
            let counted = hours.clone();
            let counting = tokio::task::spawn_local(async move {
                loop {
                    tokio::time::sleep(Duration::from_secs(3600)).await;
                    counted.set(counted.get() + 1);
                }
            });
            for _ in 0..2 {
                let (before, real) = (hours.get(), Instant::now());
                sleep(SLEEP).await?;
                assert!(real.elapsed() >= SLEEP);
                assert!(hours.get() > before, "tokio's tasks go on");
                tokio::time::advance(Duration::from_secs(1)).await;
            }
            counting.abort();
            Ok(())
        });
        run.unwrap().unwrap();
    });
}

#[test]
fn a_run_that_waits_uses_no_processor_though_tokios_clock_is_ahead() {
    on_each(|builder| {
        host().block_on(async {
            // Before the run has a timer, or with one.
            for before in [true, false] {
                let guest = anyio_tokio::guest(builder, async || -> Result<()> {
                    if before {
                        tokio::time::pause();
                    }
                    sleep(Duration::from_millis(1)).await?;
                    if !before {
                        tokio::time::pause();
                    }
                    tokio::time::advance(Duration::from_secs(3600)).await;
                    let used = processor_time();
                    sleep(SLEEP).await?;
                    let used = processor_time() - used;
                    assert!(used < SLEEP / 2, "it has used {used:?}");
                    tokio::time::resume();
                    Ok(())
                });
                guest.await.unwrap().unwrap();
            }
        });
    });
}
