//! Tasks, timers and timeouts of glommio.

use std::{
    future::{Future, poll_fn, ready},
    hint::black_box,
    pin::pin,
    rc::Rc,
    task::Poll,
    time::Duration,
};

use glommio::{channels::local_channel::new_bounded, spawn_local as spawn, sync::Semaphore, timer::sleep};

use super::{block_on, run};
use crate::{
    measuring::{
        amounts::{LONG, YIELDERS, batches, nap},
        arrivals::yield_once as yield_now,
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

/// The runtime's timeout wants results of its own error type.
async fn timeout<T>(duration: Duration, work: impl Future<Output = T>) -> glommio::Result<T, ()> {
    glommio::timer::timeout(duration, async { Ok(work.await) }).await
}

fn cross_core(order: &Order) -> anyhow::Result<Measured> {
    relay::cross_core(order, |work| {
        block_on(async {
            work.await;
            Ok(())
        })
    })
}

fn channel(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
        let (there, here) = new_bounded(1);
        let (back, again) = new_bounded(1);
        let other = spawn(async move {
            while let Some(number) = here.recv().await {
                if back.send(number).await.is_err() {
                    return;
                }
            }
        });
        for number in 0..count {
            there.send(number).await.map_err(|error| anyhow::anyhow!("{error}"))?;
            black_box(again.recv().await);
        }
        drop(there);
        other.await;
        Ok(())
    })
}

/// There is no mutex; a semaphore with one permit serves.
fn lock(order: &Order) -> anyhow::Result<Measured> {
    run(order, async |count| {
        let lock = Rc::new(Semaphore::new(1));
        let holder = |lock: Rc<Semaphore>| async move {
            for _ in 0..count / 2 {
                let _permit = lock.acquire_permit(1).await;
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
