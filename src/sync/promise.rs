//! A value that comes once.

use super::waiting::{Grant, Waiting};
use crate::{
    error::Cancelled,
    runtime::{WaitQueue, WaitReason},
};
use std::{
    cell::{Cell, OnceCell},
    fmt,
};

/// A value that one task sets once and that any number of tasks wait for.
///
/// (AnyIO calls it `Future`, which is something else in Rust. What may fail holds a `Result`.)
///
/// ```
/// use anyio::{Result, sync::Promise, task_group};
///
/// # anyio::run(async || -> Result<()> {
/// let port = Promise::new();
/// task_group(async |tg| -> Result<()> {
///     tg.start_soon(async {
///         assert_eq!(port.wait().await?, Some(&8080));
///         anyio::Ok(())
///     });
///     port.set(8080).expect("it is set only here");
///     Ok(())
/// })
/// .await?;
/// # Ok(()) }).unwrap();
/// ```
pub struct Promise<T> {
    value: OnceCell<T>,
    cancelled: Cell<bool>,
    waiting: WaitQueue,
}

/// What became of a [`Promise`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PromiseStatus {
    /// Nothing yet.
    Pending,
    /// It has its value.
    Finished,
    /// It will never have a value.
    Cancelled,
}

/// How a [`Promise`] stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PromiseStatistics {
    /// How many tasks wait for it.
    pub tasks_waiting: usize,
}

impl<T> Promise<T> {
    /// A promise that is pending.
    pub const fn new() -> Self {
        Self { value: OnceCell::new(), cancelled: Cell::new(false), waiting: WaitQueue::new() }
    }

    /// Sets the value and wakes all who wait.
    ///
    /// # Errors
    /// Gives the value back if the promise has one already or was cancelled.
    pub fn set(&self, value: T) -> Result<(), T> {
        if self.cancelled.get() {
            return Err(value);
        }
        self.value.set(value)?;
        self.waiting.notify_all();
        Ok(())
    }

    /// Says that no value will come and wakes all who wait. Does nothing unless the promise is pending. It cancels no task.
    pub fn cancel(&self) {
        if self.status() == PromiseStatus::Pending {
            self.cancelled.set(true);
            self.waiting.notify_all();
        }
    }

    /// The value, if it is there.
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// What became of it.
    pub fn status(&self) -> PromiseStatus {
        match (self.value.get(), self.cancelled.get()) {
            (Some(_), _) => PromiseStatus::Finished,
            (None, true) => PromiseStatus::Cancelled,
            (None, false) => PromiseStatus::Pending,
        }
    }

    /// Waits for the value. `None` means that the promise was cancelled.
    ///
    /// # Errors
    /// [`Cancelled`] if the scope of the task that waits is cancelled. The promise and others who wait for it do not
    /// notice.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn wait(&self) -> Result<Option<&T>, Cancelled> {
        Waiting::new(Wait(self)).await
    }

    /// The value, if it is there.
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// How it stands.
    pub fn statistics(&self) -> PromiseStatistics {
        PromiseStatistics { tasks_waiting: self.waiting.len() }
    }
}

impl<T> Default for Promise<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for Promise<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Promise").field("status", &self.status()).field("value", &self.get()).finish()
    }
}

struct Wait<'a, T>(&'a Promise<T>);

impl<'a, T> Grant for Wait<'a, T> {
    const REASON: WaitReason = WaitReason::Promise;

    type Output = Option<&'a T>;

    fn queue(&self) -> &WaitQueue {
        &self.0.waiting
    }

    fn try_now(&mut self) -> Option<Self::Output> {
        (self.0.status() != PromiseStatus::Pending).then(|| self.0.get())
    }

    fn granted(&mut self, _: i32) -> Self::Output {
        self.0.get()
    }

    fn pass_on(&mut self, _: i32) {}
}
