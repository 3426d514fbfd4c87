//! Waiting for a change of what a lock protects.

use super::{
    lock::LockGuard,
    waiting::{Grant, Waiting},
};
use crate::{
    error::{Cancelled, Error},
    runtime::{Core, WaitQueue, WaitReason},
};
use std::{
    cell::Cell,
    fmt,
    future::{Future, poll_fn},
    io,
    pin::Pin,
    ptr,
};

/// Lets tasks wait until what a [`Lock`](super::Lock) protects has changed.
///
/// ```
/// use anyio::{Result, sync::{Condition, Lock}, task_group};
///
/// # anyio::run(async || -> Result<()> {
/// let (stock, changed) = (Lock::new(0), Condition::new());
/// task_group(async |tg| -> Result<()> {
///     tg.start_soon(async {
///         let mut guard = changed.wait_for(stock.acquire().await?, |stock| *stock >= 2).await?;
///         *guard -= 2;
///         anyio::Ok(())
///     });
///     for _ in 0..2 {
///         let mut guard = stock.acquire().await?;
///         *guard += 1;
///         changed.notify(&guard, 1);
///     }
///     Ok(())
/// })
/// .await?;
/// assert_eq!(stock.into_inner(), 0);
/// # Ok(()) }).unwrap();
/// ```
///
/// That the lock is held is shown by its guard. [`wait`](Self::wait) takes the guard and gives it back when the lock was
/// acquired again, so nothing can use the value while others do. A wait that was cancelled gives it back with its error, so
/// cleanup can use the value; `?` releases the lock.
#[derive(Debug)]
pub struct Condition {
    /// Whose guards the tasks that wait have given.
    lock: Cell<*const ()>,
    waiting: WaitQueue,
}

/// How a [`Condition`] stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConditionStatistics {
    /// How many tasks wait to be notified.
    pub tasks_waiting: usize,
}

impl Default for Condition {
    fn default() -> Self {
        Self::new()
    }
}

impl Condition {
    /// A condition for one lock, and for another one when nobody waits any more.
    pub const fn new() -> Self {
        Self { lock: Cell::new(ptr::null()), waiting: WaitQueue::new() }
    }

    /// Releases the lock, waits to be notified, and acquires the lock again.
    ///
    /// # Errors
    /// [`WaitCancelled`] if the scope is cancelled before the notification came, with the lock, which was acquired again. Once
    /// notified, the call acquires the lock whatever happens to the scope.
    ///
    /// # Panics
    /// If another task waits with the guard of another lock.
    ///
    /// # Cancel safety
    /// A cancelled call has not been notified. One that is dropped after it was passes the notification on to the next.
    pub async fn wait<'a, T>(
        &self,
        guard: LockGuard<'a, T>,
    ) -> Result<LockGuard<'a, T>, WaitCancelled<'a, T>> {
        let lock = LockGuard::lock(&guard);
        self.check(ptr::from_ref(lock).cast());
        self.lock.set(ptr::from_ref(lock).cast());
        let mut guard = Some(guard);
        let mut waiting = Waiting::new(Notification(self));
        let notified = poll_fn(|cx| {
            let polled = Pin::new(&mut waiting).poll(cx);
            // Only from its place in the queue on can a notification reach it.
            if waiting.is_queued() {
                guard = None;
            }
            polled
        })
        .await;
        if notified.is_err() {
            drop(waiting);
            let guard = match guard {
                // It was not even released.
                Some(guard) => guard,
                None => lock.acquire_shielded().await,
            };
            return Err(WaitCancelled { guard });
        }
        let passing_on = PassOn(self);
        let guard = lock.acquire_shielded().await;
        std::mem::forget(passing_on);
        Ok(guard)
    }

    /// Waits until `predicate` holds for the value; not at all if it does already.
    ///
    /// # Errors
    /// As for [`wait`](Self::wait).
    ///
    /// # Panics
    /// As for [`wait`](Self::wait).
    ///
    /// # Cancel safety
    /// As for [`wait`](Self::wait).
    pub async fn wait_for<'a, T>(
        &self,
        mut guard: LockGuard<'a, T>,
        mut predicate: impl FnMut(&mut T) -> bool,
    ) -> Result<LockGuard<'a, T>, WaitCancelled<'a, T>> {
        while !predicate(&mut guard) {
            guard = self.wait(guard).await?;
        }
        Ok(guard)
    }

    /// Wakes up to `count` of the tasks that wait, the first to come first. They go on when they get the lock.
    ///
    /// # Panics
    /// If tasks wait with the guard of another lock.
    pub fn notify<T>(&self, guard: &LockGuard<'_, T>, count: usize) {
        self.check(ptr::from_ref(LockGuard::lock(guard)).cast());
        Core::change_anywhere(|| {
            for _ in 0..count {
                if !self.waiting.notify_one() {
                    break;
                }
            }
        });
    }

    /// Wakes all tasks that wait.
    ///
    /// # Panics
    /// If tasks wait with the guard of another lock.
    pub fn notify_all<T>(&self, guard: &LockGuard<'_, T>) {
        self.notify(guard, usize::MAX);
    }

    /// How it stands.
    pub fn statistics(&self) -> ConditionStatistics {
        ConditionStatistics { tasks_waiting: self.waiting.len() }
    }

    fn check(&self, lock: *const ()) {
        let same = ptr::eq(self.lock.get(), lock) || self.waiting.is_empty();
        assert!(same, "a condition was used with two locks at the same time");
    }
}

/// Says that the scope was cancelled in which somebody waited for a [`Condition`]. It holds the lock.
///
/// `?` makes an [`Error`] or a [`Cancelled`] of it, and releases the lock.
#[must_use = "it holds a lock"]
pub struct WaitCancelled<'a, T> {
    guard: LockGuard<'a, T>,
}

impl<'a, T> WaitCancelled<'a, T> {
    /// The guard of the lock, which is held.
    pub fn into_guard(self) -> LockGuard<'a, T> {
        self.guard
    }
}

impl<T> From<WaitCancelled<'_, T>> for Cancelled {
    fn from(_: WaitCancelled<'_, T>) -> Self {
        Self::new()
    }
}

impl<T> From<WaitCancelled<'_, T>> for Error {
    fn from(_: WaitCancelled<'_, T>) -> Self {
        Cancelled::new().into()
    }
}

impl<T> From<WaitCancelled<'_, T>> for io::Error {
    fn from(_: WaitCancelled<'_, T>) -> Self {
        Cancelled::new().into()
    }
}

impl<T> fmt::Display for WaitCancelled<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Cancelled::new().fmt(f)
    }
}

impl<T> fmt::Debug for WaitCancelled<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitCancelled").finish_non_exhaustive()
    }
}

struct Notification<'a>(&'a Condition);

impl Grant for Notification<'_> {
    const REASON: WaitReason = WaitReason::Condition;

    type Output = ();

    fn queue(&self) -> &WaitQueue {
        &self.0.waiting
    }

    fn try_now(&mut self) -> Option<()> {
        None
    }

    fn granted(&mut self, _: i32) {}

    fn pass_on(&mut self, _: i32) {
        self.0.waiting.notify_one();
    }
}

/// Passes a notification on if it is dropped.
struct PassOn<'a>(&'a Condition);

impl Drop for PassOn<'_> {
    fn drop(&mut self) {
        self.0.waiting.notify_one();
    }
}
