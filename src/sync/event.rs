//! Something that happens once.

use super::waiting::{Grant, Waiting};
use crate::{
    error::Cancelled,
    runtime::{WaitQueue, WaitReason},
};
use std::cell::Cell;

/// Something that happens once and that any number of tasks can wait for. It cannot be undone: make a new one.
///
/// ```
/// use anyio::{Result, sync::Event, task_group};
///
/// # anyio::run(async || -> Result<()> {
/// let ready = Event::new();
/// task_group(async |tg| -> Result<()> {
///     tg.start_soon(async {
///         ready.wait().await?;
///         anyio::Ok(())
///     });
///     ready.set();
///     Ok(())
/// })
/// .await?;
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug, Default)]
pub struct Event {
    set: Cell<bool>,
    waiting: WaitQueue,
}

/// How an [`Event`] stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventStatistics {
    /// How many tasks wait for it.
    pub tasks_waiting: usize,
}

impl Event {
    /// An event that has not happened.
    pub const fn new() -> Self {
        Self { set: Cell::new(false), waiting: WaitQueue::new() }
    }

    /// Makes it happen: wakes all who wait. Does nothing the second time.
    pub fn set(&self) {
        self.set.set(true);
        self.waiting.notify_all();
    }

    /// Whether it has happened.
    pub fn is_set(&self) -> bool {
        self.set.get()
    }

    /// Waits until it has happened.
    ///
    /// # Errors
    /// [`Cancelled`] if the scope is cancelled before the event happens. If the event happens first the wait ends well,
    /// although the scope may be cancelled by the time the task runs.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn wait(&self) -> Result<(), Cancelled> {
        Waiting::new(Wait(self)).await
    }

    /// How it stands.
    pub fn statistics(&self) -> EventStatistics {
        EventStatistics { tasks_waiting: self.waiting.len() }
    }
}

struct Wait<'a>(&'a Event);

impl Grant for Wait<'_> {
    const REASON: WaitReason = WaitReason::Event;

    type Output = ();

    fn queue(&self) -> &WaitQueue {
        &self.0.waiting
    }

    fn try_now(&mut self) -> Option<()> {
        self.0.set.get().then_some(())
    }

    fn granted(&mut self, _: i32) {}

    fn pass_on(&mut self, _: i32) {}
}
