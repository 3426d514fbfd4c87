//! Tasks, timers and scopes of anyio.

use std::{
    future::{Future, poll_fn},
    hint::black_box,
    pin::pin,
    task::Poll,
    time::Duration,
};

use anyio::{
    Backend, Builder, Result, lowlevel::checkpoint, move_on_after, sleep, streams::memory, sync::Lock,
    task_group,
};

use super::{cancel, jobs, run};
use crate::{
    measuring::{
        amounts::{LONG, YIELDERS, batches, nap},
        job::{Job, Order},
        stopwatch::Measured,
    },
    peers::{relay, yielders},
};

macro_rules! all_jobs {
    ($backend:expr, $cross_core:path, $cross_core_spin:path) => {
        jobs! { $backend;
            "spawn-join" => spawn_join,
            "spawn-await" => spawn_await,
            "yield" => yields,
            "yield-foreign" => yield_foreign,
            "yield-deep" => yield_deep,
            "channel" => channel,
            "lock" => lock,
            "timer-cancel" => timer_cancel,
            "timer-fire" => timer_fire,
            "timeout-ready" => timeout_ready,
            "timeout-yield" => timeouts_1,
            "timeouts-3" => timeouts_3,
            "timeouts-10" => timeouts_10,
            "groups-1" => groups_1,
            "groups-3" => groups_3,
            "groups-10" => groups_10,
            "cross-core" => $cross_core,
            "cross-core-spin" => $cross_core_spin,
            "cancel" => cancel::timers,
        }
    };
}

pub(super) const URING: &[(&str, Job)] = all_jobs!(Backend::Uring, uring_cross_core, uring_cross_core_spin);
pub(super) const POLL: &[(&str, Job)] = all_jobs!(Backend::Poll, poll_cross_core, poll_cross_core_spin);

/// How long a run looks for what has happened before it sleeps, where it does.
const SPIN: Duration = Duration::from_micros(50);

fn spawn_join(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        for batch in batches(count) {
            task_group(async |tg| -> Result<()> {
                for number in 0..batch {
                    tg.start_soon(async move { anyio::Ok(black_box(number)) });
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    })
}

fn spawn_await(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        task_group(async |tg| -> Result<()> {
            for number in 0..count {
                tg.start_soon(async move { anyio::Ok(black_box(number)) }).await?;
            }
            Ok(())
        })
        .await?;
        Ok(())
    })
}

fn yields(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        task_group(async |tg| -> Result<()> {
            for _ in 0..YIELDERS {
                tg.start_soon(async move {
                    for _ in 0..count / YIELDERS {
                        checkpoint().await?;
                    }
                    anyio::Ok(())
                });
            }
            Ok(())
        })
        .await?;
        Ok(())
    })
}

/// As a child of a group, as servers' connections are.
fn yield_foreign(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async move {
                yielders::by_foreign_wakers(count).await;
                anyio::Ok(())
            });
            Ok(())
        })
        .await?;
        Ok(())
    })
}

/// As a child of a group, as servers' connections are.
fn yield_deep(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async move {
                yielders::out_of_depth(count).await;
                anyio::Ok(())
            });
            Ok(())
        })
        .await?;
        Ok(())
    })
}

fn channel(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        let (there, here) = memory::channel(1);
        let (back, again) = memory::channel(1);
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async move {
                while let Some(number) = here.receive().await? {
                    back.send(number).await?;
                }
                anyio::Ok(())
            });
            for number in 0..count {
                there.send(number).await?;
                black_box(again.receive().await?);
            }
            there.close();
            Ok(())
        })
        .await?;
        Ok(())
    })
}

fn lock(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        let lock = Lock::new(0_u64);
        task_group(async |tg| -> Result<()> {
            for _ in 0..2 {
                tg.start_soon(async {
                    for _ in 0..count / 2 {
                        let mut guard = lock.acquire().await?;
                        *guard += 1;
                        checkpoint().await?;
                    }
                    anyio::Ok(())
                });
            }
            Ok(())
        })
        .await?;
        Ok(())
    })
}

fn timer_cancel(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        poll_fn(|cx| {
            for _ in 0..count {
                assert!(pin!(sleep(LONG)).poll(cx).is_pending());
            }
            Poll::Ready(())
        })
        .await;
        Ok(())
    })
}

fn timer_fire(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        for batch in batches(count) {
            task_group(async |tg| -> Result<()> {
                for number in 0..batch {
                    tg.start_soon(async move { Ok(sleep(nap(number)).await?) });
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    })
}

fn timeout_ready(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        for number in 0..count {
            black_box(move_on_after(LONG, async { anyio::Ok(black_box(number)) }).await?);
        }
        Ok(())
    })
}

/// A timeout for each token, in one another, around one yield.
macro_rules! timeouts {
    () => { checkpoint().await? };
    ($level:tt $($more:tt)*) => {
        move_on_after(LONG, async { timeouts!($($more)*); anyio::Ok(()) }).await?
    };
}

fn timeouts_1(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        for _ in 0..count {
            timeouts!(1);
        }
        Ok(())
    })
}

fn timeouts_3(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        for _ in 0..count {
            timeouts!(1 2 3);
        }
        Ok(())
    })
}

fn timeouts_10(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        for _ in 0..count {
            timeouts!(1 2 3 4 5 6 7 8 9 10);
        }
        Ok(())
    })
}

/// A group with one child for each token, in one another, around one yield.
macro_rules! groups {
    () => { checkpoint().await? };
    ($level:tt $($more:tt)*) => {
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { groups!($($more)*); anyio::Ok(()) });
            Ok(())
        })
        .await?
    };
}

fn groups_1(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        for _ in 0..count {
            groups!(1);
        }
        Ok(())
    })
}

fn groups_3(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        for _ in 0..count {
            groups!(1 2 3);
        }
        Ok(())
    })
}

fn groups_10(backend: Backend, order: &Order) -> anyhow::Result<Measured> {
    run(backend, order, async |count| {
        for _ in 0..count {
            groups!(1 2 3 4 5 6 7 8 9 10);
        }
        Ok(())
    })
}

fn uring_cross_core(_: Backend, order: &Order) -> anyhow::Result<Measured> {
    relay::cross_core(order, |work| Ok(Builder::new().backend(Backend::Uring).run(async || work.await)?))
}

fn uring_cross_core_spin(_: Backend, order: &Order) -> anyhow::Result<Measured> {
    relay::cross_core(order, |work| {
        Ok(Builder::new().backend(Backend::Uring).spin(SPIN).run(async || work.await)?)
    })
}

fn poll_cross_core(_: Backend, order: &Order) -> anyhow::Result<Measured> {
    relay::cross_core(order, |work| Ok(Builder::new().backend(Backend::Poll).run(async || work.await)?))
}

fn poll_cross_core_spin(_: Backend, order: &Order) -> anyhow::Result<Measured> {
    relay::cross_core(order, |work| {
        Ok(Builder::new().backend(Backend::Poll).spin(SPIN).run(async || work.await)?)
    })
}
