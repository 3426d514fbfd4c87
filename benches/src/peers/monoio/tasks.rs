//! Tasks, timers and timeouts of monoio.

use std::{
    future::{Future, poll_fn, ready},
    hint::black_box,
    pin::pin,
    task::Poll,
};

use monoio::{
    spawn,
    time::{sleep, timeout},
};

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
    ("timer-cancel", timer_cancel),
    ("timer-fire", timer_fire),
    ("timeout-ready", timeout_ready),
    ("timeout-yield", timeout_yield),
    ("cross-core", cross_core),
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
