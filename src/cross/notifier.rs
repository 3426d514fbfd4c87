//! Something that happens again and again, on any thread.

use super::sleepers::{Sleeper, Sleepers};
use crate::{error::Cancelled, runtime::WaitReason, scope::foreign_for};
use anyio_driver::synchronization::{AtomicBool, AtomicU64};
use std::{
    future::poll_fn,
    sync::atomic::Ordering,
    task::{Context, Poll},
};

/// Tells tasks on any thread, as often as needed, that there is something to look at.
///
/// A notification wakes one task that waits; if none does, it is kept for the next that will. Notifications that nobody
/// has taken yet count as one. So whoever was woken looks at everything there is before waiting again.
///
/// The wait goes through the executor's driver: a notification wakes an executor that sleeps there, and costs no system
/// call if it is awake.
///
/// ```
/// use anyio::{Result, cross::Notifier};
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
///
/// static CHANGED: Notifier = Notifier::new();
/// static PROGRESS: AtomicU32 = AtomicU32::new(0);
///
/// let thread = std::thread::spawn(|| {
///     for _ in 0..10 {
///         PROGRESS.fetch_add(1, Ordering::Release);
///         CHANGED.notify();
///     }
/// });
/// anyio::run(async || -> Result<()> {
///     while PROGRESS.load(Ordering::Acquire) < 10 {
///         CHANGED.wait().await?;
///     }
///     Ok(())
/// })?;
/// # thread.join().unwrap();
/// # anyio::Ok(())
/// ```
#[derive(Debug, Default)]
pub struct Notifier {
    /// Whether there is a notification that nobody has taken.
    notified: AtomicBool,
    /// How often all were notified.
    rounds: AtomicU64,
    sleepers: Sleepers,
}

/// How a [`Notifier`] stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotifierStatistics {
    /// Whether there is a notification that nobody has taken.
    pub notified: bool,
    /// How many tasks wait for one.
    pub tasks_waiting: usize,
}

impl Notifier {
    /// One without a notification.
    pub const fn new() -> Self {
        Self { notified: AtomicBool::new(false), rounds: AtomicU64::new(0), sleepers: Sleepers::new() }
    }

    /// Wakes one task that waits, the first to come first, or the next that will. Works on any thread.
    pub fn notify(&self) {
        if !self.notified.swap(true, Ordering::SeqCst) {
            self.sleepers.wake(1);
        }
    }

    /// Wakes all tasks that wait now. Nothing is kept for others. Works on any thread.
    pub fn notify_all(&self) {
        self.rounds.fetch_add(1, Ordering::SeqCst);
        self.sleepers.wake_all();
    }

    /// Waits for a notification and takes it.
    ///
    /// What was done on another thread before it called [`notify`](Self::notify) is seen afterwards.
    ///
    /// # Errors
    /// [`Cancelled`] if the scope is cancelled first.
    ///
    /// # Cancel safety
    /// A call that is cancelled or dropped has taken no notification.
    ///
    /// # Panics
    /// Outside of a run.
    pub async fn wait(&self) -> Result<(), Cancelled> {
        let mut listening = self.listening();
        foreign_for(WaitReason::OtherThread, poll_fn(|cx| listening(cx))).await
    }

    /// The wait by itself, as what is to be polled.
    pub(crate) fn listening(&self) -> impl FnMut(&Context<'_>) -> Poll<()> {
        let begun = self.rounds.load(Ordering::SeqCst);
        let mut sleeper = Sleeper::new(&self.sleepers);
        let notification = move || {
            // Who was notified twice takes both: a notification that is left would not wake those who wait already.
            let is_for_one = self.take();
            let is_for_all = self.rounds.load(Ordering::SeqCst) != begun;
            (is_for_one || is_for_all).then_some(())
        };
        move |cx| sleeper.poll(cx, notification)
    }

    /// Takes a notification if there is one.
    pub fn take(&self) -> bool {
        self.notified.swap(false, Ordering::SeqCst)
    }

    /// How it stands.
    pub fn statistics(&self) -> NotifierStatistics {
        NotifierStatistics {
            notified: self.notified.load(Ordering::SeqCst),
            tasks_waiting: self.sleepers.len(),
        }
    }
}
