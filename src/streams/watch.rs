//! A value that changes, and those who follow it.
//!
//! ```
//! use anyio::{Result, streams::watch, task_group};
//!
//! # anyio::run(async || -> Result<()> {
//! let (sender, mut receiver) = watch::channel("starting");
//! task_group(async |tg| -> Result<()> {
//!     tg.start_soon(async move {
//!         while let Some(state) = receiver.changed().await? {
//!             assert_eq!(*state, "running");
//!         }
//!         anyio::Ok(())
//!     });
//!     sender.send("running");
//!     drop(sender);
//!     Ok(())
//! })
//! .await?;
//! # Ok(()) }).unwrap();
//! ```

use crate::{
    error::Result,
    runtime::{WaitQueue, WaitReason},
    streams::{Attributes, ObjectReceiveStream},
    sync::waiting::{Grant, Waiting},
};
use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
};

/// A value, and the first who follows it; the value it begins with counts as seen.
pub fn channel<T>(value: T) -> (WatchSender<T>, WatchReceiver<T>) {
    let watched = Rc::new(Watched {
        value: RefCell::new(Rc::new(value)),
        version: Cell::new(0),
        senders: Cell::new(0),
        receivers: Cell::new(0),
        waiting: WaitQueue::new(),
    });
    let sender = WatchSender::new(watched);
    let receiver = sender.subscribe();
    (sender, receiver)
}

/// How a value that is watched stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchStatistics {
    /// How often the value was changed.
    pub changes: u64,
    /// How many senders there are.
    pub senders: usize,
    /// How many receivers there are.
    pub receivers: usize,
    /// How many tasks wait for a change.
    pub tasks_waiting: usize,
}

struct Watched<T> {
    value: RefCell<Rc<T>>,
    version: Cell<u64>,
    senders: Cell<usize>,
    receivers: Cell<usize>,
    waiting: WaitQueue,
}

impl<T> Watched<T> {
    fn latest(&self) -> Rc<T> {
        self.value.borrow().clone()
    }

    fn replace(&self, value: Rc<T>) -> Rc<T> {
        let before = self.value.replace(value);
        self.version.set(self.version.get() + 1);
        self.waiting.notify_all();
        before
    }

    fn statistics(&self) -> WatchStatistics {
        WatchStatistics {
            changes: self.version.get(),
            senders: self.senders.get(),
            receivers: self.receivers.get(),
            tasks_waiting: self.waiting.len(),
        }
    }
}

/// Changes a value that others follow.
pub struct WatchSender<T> {
    watched: Rc<Watched<T>>,
}

impl<T> WatchSender<T> {
    fn new(watched: Rc<Watched<T>>) -> Self {
        watched.senders.set(watched.senders.get() + 1);
        Self { watched }
    }

    /// Changes the value and wakes all who follow it. Gives the value before.
    pub fn send(&self, value: T) -> Rc<T> {
        self.watched.replace(Rc::new(value))
    }

    /// Changes a copy of the value, puts it in the place of the value, and wakes all who follow it.
    pub fn modify(&self, change: impl FnOnce(&mut T))
    where
        T: Clone,
    {
        let mut value = T::clone(&self.watched.latest());
        change(&mut value);
        self.send(value);
    }

    /// The value as it is now.
    pub fn latest(&self) -> Rc<T> {
        self.watched.latest()
    }

    /// One more who follows the value; as it is now counts as seen.
    pub fn subscribe(&self) -> WatchReceiver<T> {
        WatchReceiver::new(self.watched.clone(), self.watched.version.get())
    }

    /// How it stands.
    pub fn statistics(&self) -> WatchStatistics {
        self.watched.statistics()
    }
}

impl<T> Clone for WatchSender<T> {
    fn clone(&self) -> Self {
        Self::new(self.watched.clone())
    }
}

impl<T> Drop for WatchSender<T> {
    fn drop(&mut self) {
        self.watched.senders.set(self.watched.senders.get() - 1);
        if self.watched.senders.get() == 0 {
            self.watched.waiting.notify_all();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for WatchSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchSender").field("value", &self.latest()).finish_non_exhaustive()
    }
}

/// Follows a value. Only the newest state is seen; what came between two looks is not. A clone follows on its own.
pub struct WatchReceiver<T> {
    watched: Rc<Watched<T>>,
    seen: Cell<u64>,
}

impl<T> WatchReceiver<T> {
    fn new(watched: Rc<Watched<T>>, seen: u64) -> Self {
        watched.receivers.set(watched.receivers.get() + 1);
        Self { watched, seen: Cell::new(seen) }
    }

    /// The value as it is now; it counts as seen.
    pub fn latest(&mut self) -> Rc<T> {
        self.seen.set(self.watched.version.get());
        self.watched.latest()
    }

    /// Whether the value has changed since it was last seen.
    pub fn has_changed(&self) -> bool {
        self.seen.get() != self.watched.version.get()
    }

    /// The value, once it has changed since it was last seen, or `None` if all senders are gone and it has not.
    ///
    /// # Errors
    /// [`Error::Cancelled`](crate::Error::Cancelled) if the scope is cancelled first.
    ///
    /// # Cancel safety
    /// No change is lost; the next call sees it.
    pub async fn changed(&mut self) -> Result<Option<Rc<T>>> {
        Ok(Waiting::new(Change(self)).await?)
    }

    /// The value, once `predicate` holds for it, or `None` if all senders are gone and it does not.
    ///
    /// # Errors
    /// [`Error::Cancelled`](crate::Error::Cancelled) if the scope is cancelled first.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn wait_for(&mut self, mut predicate: impl FnMut(&T) -> bool) -> Result<Option<Rc<T>>> {
        let mut value = Some(self.latest());
        while let Some(candidate) = value {
            if predicate(&candidate) {
                return Ok(Some(candidate));
            }
            value = self.changed().await?;
        }
        Ok(None)
    }

    /// How it stands.
    pub fn statistics(&self) -> WatchStatistics {
        self.watched.statistics()
    }
}

/// Gives the value each time it has changed, as [`changed`](WatchReceiver::changed) does.
impl<T> ObjectReceiveStream for WatchReceiver<T> {
    type Item = Rc<T>;

    async fn receive(&mut self) -> Result<Option<Rc<T>>> {
        self.changed().await
    }
}

impl<T> Attributes for WatchReceiver<T> {}

impl<T> Clone for WatchReceiver<T> {
    fn clone(&self) -> Self {
        Self::new(self.watched.clone(), self.seen.get())
    }
}

impl<T> Drop for WatchReceiver<T> {
    fn drop(&mut self) {
        self.watched.receivers.set(self.watched.receivers.get() - 1);
    }
}

impl<T: fmt::Debug> fmt::Debug for WatchReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WatchReceiver")
            .field("value", &self.watched.latest())
            .field("has_changed", &self.has_changed())
            .finish()
    }
}

struct Change<'a, T>(&'a WatchReceiver<T>);

impl<T> Grant for Change<'_, T> {
    const REASON: WaitReason = WaitReason::WatchChange;

    type Output = Option<Rc<T>>;

    fn queue(&self) -> &WaitQueue {
        &self.0.watched.waiting
    }

    fn try_now(&mut self) -> Option<Self::Output> {
        if self.0.has_changed() {
            self.0.seen.set(self.0.watched.version.get());
            return Some(Some(self.0.watched.latest()));
        }
        (self.0.watched.senders.get() == 0).then_some(None)
    }

    fn granted(&mut self, _: i32) -> Self::Output {
        self.try_now().flatten()
    }

    fn pass_on(&mut self, _: i32) {}
}
