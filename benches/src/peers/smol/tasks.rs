//! Tasks, timers and timeouts of smol.

use std::{
    future::{Future, poll_fn, ready},
    hint::black_box,
    pin::pin,
    rc::Rc,
    task::Poll,
    time::Duration,
};

use smol::{
    channel::bounded,
    future::{or, yield_now},
    lock::Mutex,
};

use super::{block_on, run, sleep, spawn};
use crate::{
    measuring::{
        amounts::{LONG, YIELDERS, batches, nap},
        job::{Job, Order},
        stopwatch::Measured,
    },
    peers::{plain_jobs::plain_jobs, relay, yielders::yield_jobs},
};

pub(super) const JOBS: &[(&str, Job)] = &[
    ("spawn-join", spawn_join),
    ("spawn-await", spawn_await),
    ("yield", yields),
    ("yield-foreign", yield_foreign),
    ("yield-deep", yield_deep),
    ("channel", channel),
    ("lock", lock),
    ("timer-cancel", timer_cancel),
    ("timer-fire", timer_fire),
    ("timeout-ready", timeout_ready),
    ("timeout-yield", timeout_yield),
    ("cross-core", cross_core),
    ("cancel", super::cancel::timers),
];

plain_jobs!();
yield_jobs!();

fn cross_core(order: &Order) -> anyhow::Result<Measured> {
    relay::cross_core(order, |work| {
        block_on(async {
            work.await;
            Ok(())
        })
    })
}

/// There is no timeout: whichever ends first.
async fn timeout<T>(duration: Duration, work: impl Future<Output = T>) -> Option<T> {
    or(async { Some(work.await) }, async {
        sleep(duration).await;
        None
    })
    .await
}

fn channel(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
        let (there, here) = bounded(1);
        let (back, again) = bounded(1);
        let other = spawn(async move {
            while let Ok(number) = here.recv().await {
                if back.send(number).await.is_err() {
                    return;
                }
            }
        });
        for number in 0..count {
            there.send(number).await?;
            black_box(again.recv().await?);
        }
        drop(there);
        other.await;
        Ok(())
    })
}

fn lock(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
        let lock = Rc::new(Mutex::new(0));
        let holder = |lock: Rc<Mutex<u64>>| async move {
            for _ in 0..count / 2 {
                let mut guard = lock.lock().await;
                *guard += 1;
                yield_now().await;
            }
        };
        let tasks = [spawn(holder(lock.clone())), spawn(holder(lock.clone()))];
        for task in tasks {
            task.await;
        }
        Ok(())
    })
}
