//! Waiting for each other.

use super::waiting::{Grant, Waiting};
use crate::{
    error::Cancelled,
    runtime::{WaitQueue, WaitReason},
};

/// Lets a number of tasks wait for each other; and again, as often as they like.
///
/// ```
/// use anyio::{Result, sync::Barrier, task_group};
///
/// # anyio::run(async || -> Result<()> {
/// let barrier = Barrier::new(2);
/// task_group(async |tg| -> Result<()> {
///     tg.start_soon(async { anyio::Ok(barrier.wait().await?) });
///     barrier.wait().await?;
///     Ok(())
/// })
/// .await?;
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Barrier {
    parties: usize,
    waiting: WaitQueue,
}

/// How a [`Barrier`] stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BarrierStatistics {
    /// How many tasks have to come together.
    pub parties: usize,
    /// How many wait for the others.
    pub tasks_waiting: usize,
}

impl Barrier {
    /// A barrier for this many tasks. With 0 or 1 nobody waits.
    pub const fn new(parties: usize) -> Self {
        Self { parties, waiting: WaitQueue::new() }
    }

    /// Waits until all have come, and tells whether this call was the last one of its round.
    ///
    /// # Errors
    /// [`Cancelled`] if the scope is cancelled before the last has come.
    ///
    /// # Cancel safety
    /// Whoever is cancelled counts as not having come: the others go on waiting for one more. Once the last has come the
    /// round is over, whatever happens to single tasks of it.
    pub async fn wait(&self) -> Result<bool, Cancelled> {
        Waiting::new(Wait(self)).await
    }

    /// How it stands.
    pub fn statistics(&self) -> BarrierStatistics {
        BarrierStatistics { parties: self.parties, tasks_waiting: self.waiting.len() }
    }
}

struct Wait<'a>(&'a Barrier);

impl Grant for Wait<'_> {
    const REASON: WaitReason = WaitReason::Barrier;

    type Output = bool;

    fn queue(&self) -> &WaitQueue {
        &self.0.waiting
    }

    fn try_now(&mut self) -> Option<bool> {
        // Those who were cancelled and do not know yet have not come.
        let last = self.0.waiting.len() + 1 >= self.0.parties;
        last.then(|| {
            self.0.waiting.notify_all();
            true
        })
    }

    fn granted(&mut self, _: i32) -> bool {
        false
    }

    fn pass_on(&mut self, _: i32) {}
}
