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

use super::{run, runtime};
use crate::{
    measuring::{
        amounts::{LONG, YIELDERS, batches, nap},
        job::{Job, Order},
        stopwatch::Measured,
    },
    peers::relay,
};

pub(super) const JOBS: &[(&str, Job)] = &[
    ("spawn-join", spawn_join),
    ("spawn-await", spawn_await),
    ("yield", yields),
    ("channel", channel),
    ("lock", lock),
    ("timer-cancel", timer_cancel),
    ("timer-fire", timer_fire),
    ("timeout-ready", timeout_ready),
    ("timeout-yield", timeouts_1),
    ("timeouts-3", timeouts_3),
    ("timeouts-10", timeouts_10),
    ("groups-1", groups_1),
    ("groups-3", groups_3),
    ("groups-10", groups_10),
    ("cross-core", cross_core),
    // There is nothing to set: the same again.
    ("cross-core-spin", cross_core),
    ("cancel", super::cancel::timers),
];

fn spawn_join(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
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

fn spawn_await(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
        for number in 0..count {
            tokio::spawn(async move { black_box(number) }).await?;
        }
        Ok(())
    })
}

fn yields(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
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

fn channel(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
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

fn lock(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
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

fn timer_cancel(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
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

fn timer_fire(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
        for batch in batches(count) {
            let handles: Vec<_> = (0..batch).map(|number| tokio::spawn(sleep(nap(number)))).collect();
            for handle in handles {
                handle.await?;
            }
        }
        Ok(())
    })
}

fn timeout_ready(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
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

fn timeouts_1(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
        for _ in 0..count {
            timeouts!(1);
        }
        Ok(())
    })
}

fn timeouts_3(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
        for _ in 0..count {
            timeouts!(1 2 3);
        }
        Ok(())
    })
}

fn timeouts_10(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
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

fn groups_1(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
        for _ in 0..count {
            groups!(1);
        }
        Ok(())
    })
}

fn groups_3(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
        for _ in 0..count {
            groups!(1 2 3);
        }
        Ok(())
    })
}

fn groups_10(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
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
