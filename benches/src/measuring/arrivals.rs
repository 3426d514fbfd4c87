//! Waiting until all tasks wait, in any runtime.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::Poll,
    time::Duration,
};

/// How long to wait after the last arrival, so that what the tasks wait for has reached the kernel.
pub(crate) const SETTLE: Duration = Duration::from_millis(20);

/// How many tasks are about to wait.
#[derive(Clone, Default)]
pub(crate) struct Arrivals(Arc<AtomicU64>);

impl Arrivals {
    pub(crate) fn arrive(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn are(&self, count: u64) -> bool {
        self.0.load(Ordering::Relaxed) >= count
    }

    /// Lets others run until so many have arrived.
    pub(crate) async fn reach(&self, count: u64) {
        while !self.are(count) {
            yield_once().await;
        }
    }
}

/// Lets other tasks have their turn, in runtimes that have no function for it.
pub(crate) async fn yield_once() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
