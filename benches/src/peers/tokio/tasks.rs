//! Tasks, timers and timeouts of tokio.

use std::{
    future::{Future, poll_fn, ready},
    hint::black_box,
    pin::pin,
    sync::Arc,
    task::Poll,
};

use tokio::{
    sync::{Mutex, mpsc},
    task::{JoinSet, yield_now},
    time::{sleep, timeout},
};

use super::runtime;
use crate::{
    measuring::{
        amounts::{LONG, YIELDERS, batches, nap},
        job::{Job, Order},
        stopwatch::{Measured, Stopwatch},
    },
    peers::{relay, yielders},
};

macro_rules! all_jobs {
    ($place:expr) => {
        &[
            ("spawn-join", |order| spawn_join($place, order)),
            ("spawn-await", |order| spawn_await($place, order)),
            ("yield", |order| yields($place, order)),
            ("yield-foreign", |order| yield_foreign($place, order)),
            ("yield-deep", |order| yield_deep($place, order)),
            ("channel", |order| channel($place, order)),
            ("lock", |order| lock($place, order)),
            ("timer-cancel", |order| timer_cancel($place, order)),
            ("timer-fire", |order| timer_fire($place, order)),
            ("timeout-ready", |order| timeout_ready($place, order)),
            ("timeout-yield", |order| timeouts_1($place, order)),
            ("timeouts-3", |order| timeouts_3($place, order)),
            ("timeouts-10", |order| timeouts_10($place, order)),
            ("groups-1", |order| groups_1($place, order)),
            ("groups-3", |order| groups_3($place, order)),
            ("groups-10", |order| groups_10($place, order)),
            ("cross-core", cross_core),
            // There is nothing to set: the same again.
            ("cross-core-spin", cross_core),
            ("cancel", super::cancel::timers),
        ]
    };
}

/// In a task, as programs have their work.
pub(super) const JOBS: &[(&str, Job)] = all_jobs!(Place::Task);

/// In the future of `block_on` itself, where waking costs more.
pub(super) const BLOCK_ON: &[(&str, Job)] = all_jobs!(Place::BlockOn);

/// Where a row's work is done.
#[derive(Clone, Copy)]
enum Place {
    Task,
    BlockOn,
}

/// Does a row's work in a runtime of its own: an eighth of it to warm up, then all of it by the clock.
fn run<F>(place: Place, order: &Order, work: impl Fn(u64) -> F + Send + 'static) -> anyhow::Result<Measured>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let operations = order.operations;
    let measured = async move {
        work(operations.div_ceil(8)).await?;
        let stopwatch = Stopwatch::start()?;
        work(operations).await?;
        anyhow::Ok(stopwatch.stop(operations)?)
    };
    match place {
        Place::Task => runtime()?.block_on(async { tokio::spawn(measured).await? }),
        Place::BlockOn => runtime()?.block_on(measured),
    }
}

fn yield_foreign(place: Place, order: &Order) -> anyhow::Result<Measured> {
    run(place, order, |count| async move {
        yielders::by_foreign_wakers(count).await;
        Ok(())
    })
}

fn yield_deep(place: Place, order: &Order) -> anyhow::Result<Measured> {
    run(place, order, |count| async move {
        yielders::out_of_depth(count).await;
        Ok(())
    })
}

fn spawn_join(place: Place, order: &Order) -> anyhow::Result<Measured> {
    run(place, order, |count| async move {
        for batch in batches(count) {
            let handles: Vec<_> =
                (0..batch).map(|number| tokio::spawn(async move { black_box(number) })).collect();
            for handle in handles {
                handle.await?;
            }
        }
        Ok(())
    })
}

fn spawn_await(place: Place, order: &Order) -> anyhow::Result<Measured> {
    run(place, order, |count| async move {
        for number in 0..count {
            tokio::spawn(async move { black_box(number) }).await?;
        }
        Ok(())
    })
}

fn yields(place: Place, order: &Order) -> anyhow::Result<Measured> {
    run(place, order, |count| async move {
        let yielder = || async move {
            for _ in 0..count / YIELDERS {
                yield_now().await;
            }
        };
        let handles: Vec<_> = (0..YIELDERS).map(|_| tokio::spawn(yielder())).collect();
        for handle in handles {
            handle.await?;
        }
        Ok(())
    })
}

fn channel(place: Place, order: &Order) -> anyhow::Result<Measured> {
    run(place, order, |count| async move {
        let (there, mut here) = mpsc::channel(1);
        let (back, mut again) = mpsc::channel(1);
        let other = tokio::spawn(async move {
            while let Some(number) = here.recv().await {
                if back.send(number).await.is_err() {
                    return;
                }
            }
        });
        for number in 0..count {
            there.send(number).await?;
            black_box(again.recv().await);
        }
        drop(there);
        Ok(other.await?)
    })
}

fn lock(place: Place, order: &Order) -> anyhow::Result<Measured> {
    run(place, order, |count| async move {
        let lock = Arc::new(Mutex::new(0));
        let holder = |lock: Arc<Mutex<u64>>| async move {
            for _ in 0..count / 2 {
                let mut guard = lock.lock().await;
                *guard += 1;
                yield_now().await;
            }
        };
        let handles = [tokio::spawn(holder(lock.clone())), tokio::spawn(holder(lock.clone()))];
        for handle in handles {
            handle.await?;
        }
        Ok(())
    })
}

fn timer_cancel(place: Place, order: &Order) -> anyhow::Result<Measured> {
    run(place, order, |count| async move {
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

fn timer_fire(place: Place, order: &Order) -> anyhow::Result<Measured> {
    run(place, order, |count| async move {
        for batch in batches(count) {
            let handles: Vec<_> = (0..batch).map(|number| tokio::spawn(sleep(nap(number)))).collect();
            for handle in handles {
                handle.await?;
            }
        }
        Ok(())
    })
}

fn timeout_ready(place: Place, order: &Order) -> anyhow::Result<Measured> {
    run(place, order, |count| async move {
        for number in 0..count {
            black_box(timeout(LONG, ready(black_box(number))).await?);
        }
        Ok(())
    })
}

/// A timeout for each token, in one another, around one yield.
macro_rules! timeouts {
    () => { yield_now().await };
    ($level:tt $($more:tt)*) => { timeout(LONG, async { timeouts!($($more)*) }).await.unwrap_or_default() };
}

fn timeouts_1(place: Place, order: &Order) -> anyhow::Result<Measured> {
    run(place, order, |count| async move {
        for _ in 0..count {
            timeouts!(1);
        }
        Ok(())
    })
}

fn timeouts_3(place: Place, order: &Order) -> anyhow::Result<Measured> {
    run(place, order, |count| async move {
        for _ in 0..count {
            timeouts!(1 2 3);
        }
        Ok(())
    })
}

fn timeouts_10(place: Place, order: &Order) -> anyhow::Result<Measured> {
    run(place, order, |count| async move {
        for _ in 0..count {
            timeouts!(1 2 3 4 5 6 7 8 9 10);
        }
        Ok(())
    })
}

/// A set with one task for each token, in one another, around one yield.
macro_rules! groups {
    () => { yield_now().await };
    ($level:tt $($more:tt)*) => {{
        let mut set = JoinSet::new();
        set.spawn(async { groups!($($more)*) });
        set.join_all().await;
    }};
}

fn groups_1(place: Place, order: &Order) -> anyhow::Result<Measured> {
    run(place, order, |count| async move {
        for _ in 0..count {
            groups!(1);
        }
        Ok(())
    })
}

fn groups_3(place: Place, order: &Order) -> anyhow::Result<Measured> {
    run(place, order, |count| async move {
        for _ in 0..count {
            groups!(1 2 3);
        }
        Ok(())
    })
}

fn groups_10(place: Place, order: &Order) -> anyhow::Result<Measured> {
    run(place, order, |count| async move {
        for _ in 0..count {
            groups!(1 2 3 4 5 6 7 8 9 10);
        }
        Ok(())
    })
}

fn cross_core(order: &Order) -> anyhow::Result<Measured> {
    relay::cross_core(order, |work| {
        runtime()?.block_on(work);
        Ok(())
    })
}
