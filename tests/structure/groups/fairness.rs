//! Tasks that are always ready leave others their turn.

use crate::processor_time::processor_time;
use anyio::{
    Builder, Result,
    lowlevel::{self, Instrument},
    net::UnixStream,
    sleep, sleep_until, task_group,
    testing::test_backends,
};
use std::{
    cell::{Cell, RefCell},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

#[anyio::test]
async fn a_task_that_yields_for_ever_starves_neither_timers_nor_other_groups() -> Result<()> {
    let turns = Cell::new(0u64);
    let before = processor_time();
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
    assert!(processor_time() - before < Duration::from_secs(2));
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

/// Counts the turns of a run.
#[derive(Clone, Default)]
struct Turns(Arc<AtomicU64>);

impl Turns {
    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Instrument for Turns {
    fn turn_begun(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs a test on every back end, which is told the turns of its run.
fn count_turns(test: impl AsyncFn(Turns) -> Result<()>) -> Result<()> {
    for backend in test_backends() {
        let turns = Turns::default();
        let counted = turns.clone();
        Builder::new()
            .backend(backend)
            .instrument(move || counted.clone())
            .run(async || test(turns).await)??;
    }
    Ok(())
}

/// Yields until the scope is cancelled.
async fn yield_forever() -> Result<()> {
    loop {
        lowlevel::checkpoint().await?;
    }
}

/// Sends back and forth, so that one of two such has something to receive in each turn.
async fn play(stream: &UnixStream) -> Result<()> {
    while let Some(ball) = stream.receive().await? {
        stream.send(ball).await?;
    }
    Ok(())
}

#[test]
fn what_the_kernel_wakes_again_and_again_holds_nothing_else_up() -> Result<()> {
    // Of each pair one player is woken by a completion in each turn, and the children of its group alone use up all that a
    // turn can afford.
    const PAIRS: usize = 8;
    const OTHERS: usize = 100;
    count_turns(async |turns| {
        let longest = Cell::new(0);
        task_group(async |tg| -> Result<()> {
            for _ in 0..PAIRS {
                let (one, other) = UnixStream::pair()?;
                one.send("ball").await?;
                for stream in [one, other] {
                    tg.start_soon(async move {
                        task_group(async |inner| -> Result<()> {
                            for _ in 0..64 {
                                inner.start_soon(yield_forever());
                            }
                            play(&stream).await
                        })
                        .await?;
                        anyio::Ok(())
                    });
                }
            }
            let (turns, longest) = (&turns, &longest);
            let others: Vec<_> = (0..OTHERS)
                .map(|_| {
                    tg.start_soon(async move {
                        for _ in 0..20 {
                            let before = turns.count();
                            lowlevel::checkpoint().await?;
                            longest.set(longest.get().max(turns.count() - before));
                        }
                        anyio::Ok(())
                    })
                })
                .collect();
            for other in others {
                other.await?;
            }
            tg.cancel();
            Ok(())
        })
        .await?;
        // A share of each turn is theirs, which is more than one of them.
        assert!(longest.get() <= OTHERS as u64 / 8, "{} turns", longest.get());
        Ok(())
    })
}

#[test]
fn what_is_started_for_a_timer_is_done_in_the_same_turn() -> Result<()> {
    const TASKS: usize = 200;
    count_turns(async |turns| {
        // On a slow machine it may come while some do not wait yet; then a later one is chosen.
        let mut span = Duration::from_millis(20);
        loop {
            let moment = Instant::now() + span;
            let (longest, in_time) = (Cell::new(0), Cell::new(true));
            task_group(async |tg| -> Result<()> {
                let (turns, longest, in_time) = (&turns, &longest, &in_time);
                for _ in 0..TASKS {
                    tg.start_soon(async move {
                        in_time.set(in_time.get() && Instant::now() < moment - span / 2);
                        task_group(async |inner| -> Result<()> {
                            sleep_until(moment).await?;
                            let before = turns.count();
                            inner.start_soon(async { Ok(()) }).await?;
                            longest.set(longest.get().max(turns.count() - before));
                            Ok(())
                        })
                        .await?;
                        anyio::Ok(())
                    });
                }
                Ok(())
            })
            .await?;
            if in_time.get() {
                assert_eq!(longest.get(), 0, "turns");
                return Ok(());
            }
            span *= 2;
        }
    })
}
