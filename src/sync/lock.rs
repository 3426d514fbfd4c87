//! Mutual exclusion.

use super::waiting::{Grant, Waiting};
use crate::{
    error::{Error, Result},
    runtime::{Core, TaskInfo, TaskKey, WaitQueue, WaitReason},
};
use std::{
    cell::{Cell, RefCell, RefMut},
    fmt,
    ops::{Deref, DerefMut},
};

/// A value that one task at a time may use, also across `await`s.
///
/// Whoever waits gets the lock in the order in which they came: releasing it makes the first of them its owner at once,
/// so nobody else can take it before that task runs. An uncontended [`acquire`](Self::acquire) does not wait, but looks
/// whether the scope is cancelled, and lets other tasks have their turn once in a while.
///
/// ```
/// use anyio::{Result, sync::Lock};
///
/// # anyio::run(async || -> Result<()> {
/// let names = Lock::new(vec!["a"]);
/// {
///     let mut guard = names.acquire().await?;
///     anyio::lowlevel::checkpoint().await?;
///     guard.push("b");
/// } // the guard is dropped, which releases the lock
/// assert_eq!(names.into_inner(), ["a", "b"]);
/// # Ok(()) }).unwrap();
/// ```
#[derive(Default)]
pub struct Lock<T> {
    locked: Cell<bool>,
    owner: Cell<Option<TaskKey>>,
    waiting: WaitQueue,
    value: RefCell<T>,
}

/// How a [`Lock`] stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LockStatistics {
    /// Whether it is held.
    pub locked: bool,
    /// Whether the task that asks has acquired it.
    pub owned_by_current_task: bool,
    /// The task that has acquired it, as long as that has not ended and the one who asks is in the same run.
    pub owner: Option<TaskInfo>,
    /// How many tasks wait for it.
    pub tasks_waiting: usize,
}

impl<T> Lock<T> {
    /// A free lock around a value; `()` if it protects something else.
    pub const fn new(value: T) -> Self {
        Self {
            locked: Cell::new(false),
            owner: Cell::new(None),
            waiting: WaitQueue::new(),
            value: RefCell::new(value),
        }
    }

    /// Waits until the lock is this task's.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if the scope is cancelled before it was this task's turn.
    ///
    /// [`Error::AlreadyAcquired`] if this task has acquired the lock and not released it: it would wait for itself for ever.
    /// Who owns a lock is the task that acquired it, also when the guard was given to another one. Futures that run side by
    /// side in one task, such as those of `join!` and `FuturesUnordered`, are one owner, although one could wait for the
    /// other; where they share a lock, make them children of a [`task_group`](crate::task_group()), which are tasks of their
    /// own.
    ///
    /// # Cancel safety
    /// A cancelled call loses its place in the queue. One that is dropped after its turn has come gives the lock to the
    /// next.
    pub async fn acquire(&self) -> Result<LockGuard<'_, T>> {
        Waiting::new(Acquire { lock: self, may_be_mine: false }).await?
    }

    /// The same, but no scope cancels it, and it waits for other futures of this task, too.
    pub(super) async fn acquire_shielded(&self) -> LockGuard<'_, T> {
        match Waiting::shielded(Acquire { lock: self, may_be_mine: true }).await {
            Ok(Ok(guard)) => guard,
            Ok(Err(_)) => unreachable!("it was not asked whose the lock is"),
            Err(_) => unreachable!("a shielded wait is never cancelled"),
        }
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if it is held, or about to be by someone who waited for it.
    pub fn try_acquire(&self) -> Result<LockGuard<'_, T>> {
        if self.locked.replace(true) {
            return Err(Error::WouldBlock);
        }
        self.owner.set(current_task());
        Ok(self.guard())
    }

    /// Whether it is held.
    pub fn locked(&self) -> bool {
        self.locked.get()
    }

    /// How it stands. To find its owner all tasks are looked at.
    pub fn statistics(&self) -> LockStatistics {
        LockStatistics {
            locked: self.locked.get(),
            owned_by_current_task: self.is_mine(),
            owner: self
                .owner
                .get()
                .and_then(|owner| Core::try_with(|core| TaskInfo::of(core, owner)).flatten()),
            tasks_waiting: self.waiting.len(),
        }
    }

    /// The value, without locking: nobody else can have it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }

    fn is_mine(&self) -> bool {
        let owner = self.owner.get();
        owner.is_some() && owner == current_task()
    }

    /// The caller has made the lock its own.
    fn guard(&self) -> LockGuard<'_, T> {
        LockGuard { value: self.value.borrow_mut(), release: Release(self) }
    }

    fn release(&self) {
        let next = |label| self.owner.set(TaskKey::from_bits(label));
        if !self.waiting.hand_over(0, next) {
            self.owner.set(None);
            self.locked.set(false);
        }
    }
}

/// Stands for a task that is not known.
const NO_TASK: u64 = 0;

pub(super) fn current_task() -> Option<TaskKey> {
    Core::try_with(Core::task).flatten()
}

impl<T: fmt::Debug> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Lock");
        // The value's own code may use the lock, and finds it taken.
        match self.try_acquire() {
            Ok(value) => debug.field("value", &value),
            Err(_) => debug.field("value", &format_args!("<locked>")),
        };
        debug.field("tasks_waiting", &self.waiting.len()).finish()
    }
}

struct Acquire<'a, T> {
    lock: &'a Lock<T>,
    /// Whether to wait also if this task holds the lock, for another of its futures to release it.
    may_be_mine: bool,
}

impl<'a, T> Grant for Acquire<'a, T> {
    const REASON: WaitReason = WaitReason::Lock;

    type Output = Result<LockGuard<'a, T>>;

    fn queue(&self) -> &WaitQueue {
        &self.lock.waiting
    }

    fn try_now(&mut self) -> Option<Self::Output> {
        match self.lock.try_acquire() {
            Ok(guard) => Some(Ok(guard)),
            Err(_) if !self.may_be_mine && self.lock.is_mine() => Some(Err(Error::AlreadyAcquired)),
            Err(_) => None,
        }
    }

    fn queue_up(&mut self) -> u64 {
        current_task().map_or(NO_TASK, TaskKey::to_bits)
    }

    fn granted(&mut self, _: i32) -> Self::Output {
        Ok(self.lock.guard())
    }

    fn pass_on(&mut self, _: i32) {
        self.lock.release();
    }
}

/// Shows that a [`Lock`] is held, and leads to its value. Dropping it releases the lock.
#[must_use = "the lock is released when the guard is dropped"]
pub struct LockGuard<'a, T> {
    // Dropped in this order: whoever gets the lock next may borrow the value.
    value: RefMut<'a, T>,
    release: Release<'a, T>,
}

impl<'a, T> LockGuard<'a, T> {
    /// The lock that this guard holds.
    pub fn lock(guard: &Self) -> &'a Lock<T> {
        guard.release.0
    }
}

impl<T> Deref for LockGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for LockGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for LockGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

struct Release<'a, T>(&'a Lock<T>);

impl<T> Drop for Release<'_, T> {
    fn drop(&mut self) {
        self.0.release();
    }
}
