//! Counted permits.

use super::waiting::{Grant, Waiting};
use crate::{
    error::{Cancelled, Error, Result},
    runtime::{WaitQueue, WaitReason},
};
use anyio_driver::planted;
use std::cell::Cell;

/// A number of permits that tasks take and give back.
///
/// Whoever waits is served in order. A permit that is given back goes to the first of them at once; nobody can take it
/// before that task runs.
///
/// ```
/// use anyio::{Result, sync::Semaphore};
///
/// # anyio::run(async || -> Result<()> {
/// let connections = Semaphore::new(2);
/// let permit = connections.acquire().await?;
/// assert_eq!(connections.value(), 1);
/// drop(permit);
/// assert_eq!(connections.value(), 2);
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Semaphore {
    value: Cell<usize>,
    max_value: Option<usize>,
    waiting: WaitQueue,
}

/// How a [`Semaphore`] stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SemaphoreStatistics {
    /// How many tasks wait for a permit.
    pub tasks_waiting: usize,
}

impl Semaphore {
    /// A semaphore with this many permits.
    pub const fn new(initial_value: usize) -> Self {
        Self { value: Cell::new(initial_value), max_value: None, waiting: WaitQueue::new() }
    }

    /// A semaphore that never has more than `max_value` permits to give.
    ///
    /// # Panics
    /// If `max_value` is less than `initial_value`.
    pub const fn with_max_value(initial_value: usize, max_value: usize) -> Self {
        assert!(initial_value <= max_value, "a semaphore begins with more than its maximum");
        let value = Cell::new(initial_value);
        Self { value, max_value: Some(max_value), waiting: WaitQueue::new() }
    }

    /// Waits for a permit. Dropping the permit gives it back.
    ///
    /// # Errors
    /// [`Cancelled`] if the scope is cancelled before it was this task's turn.
    ///
    /// # Cancel safety
    /// A cancelled call loses its place in the queue. One that is dropped after its turn has come gives the permit to
    /// the next.
    pub async fn acquire(&self) -> Result<SemaphorePermit<'_>, Cancelled> {
        Waiting::new(Acquire(self)).await
    }

    /// Takes a permit if there is one.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if there is none.
    #[inline]
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>> {
        let Some(value) = self.value.get().checked_sub(1) else { return Err(Error::WouldBlock) };
        self.value.set(value);
        Ok(SemaphorePermit(self))
    }

    /// Adds a permit: a new one, or one that was taken with [`SemaphorePermit::forget`], by whatever task.
    ///
    /// # Panics
    /// If there would be more than the maximum, or than can be counted.
    pub fn release(&self) {
        assert!(self.has_room(), "a semaphore is beyond its maximum");
        self.give_back();
    }

    /// Whether there may be another permit.
    fn has_room(&self) -> bool {
        self.value.get() < self.max_value.unwrap_or(usize::MAX)
    }

    fn give_back(&self) {
        let value = self.value.get();
        let has_room = self.has_room();
        // Whoever waits does so because the value is 0.
        let is_handed_over = self.waiting.notify_one() && !planted("permit given twice");
        if !is_handed_over && has_room {
            self.value.set(value + 1);
        }
    }

    /// How many permits there are to be taken.
    pub fn value(&self) -> usize {
        self.value.get()
    }

    /// The maximum, if there is one.
    pub fn max_value(&self) -> Option<usize> {
        self.max_value
    }

    /// How it stands.
    pub fn statistics(&self) -> SemaphoreStatistics {
        SemaphoreStatistics { tasks_waiting: self.waiting.len() }
    }
}

struct Acquire<'a>(&'a Semaphore);

impl<'a> Grant for Acquire<'a> {
    const REASON: WaitReason = WaitReason::Semaphore;

    type Output = SemaphorePermit<'a>;

    fn queue(&self) -> &WaitQueue {
        &self.0.waiting
    }

    fn try_now(&mut self) -> Option<Self::Output> {
        self.0.try_acquire().ok()
    }

    fn granted(&mut self, _: i32) -> Self::Output {
        SemaphorePermit(self.0)
    }

    fn pass_on(&mut self, _: i32) {
        self.0.give_back();
    }
}

/// A permit of a [`Semaphore`]. Dropping it gives it back.
#[derive(Debug)]
#[must_use = "the permit is given back when it is dropped"]
pub struct SemaphorePermit<'a>(&'a Semaphore);

impl SemaphorePermit<'_> {
    /// Keeps the permit for good, or until somebody calls [`Semaphore::release`].
    pub fn forget(self) {
        std::mem::forget(self);
    }
}

impl Drop for SemaphorePermit<'_> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}
