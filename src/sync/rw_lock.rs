//! Many readers or one writer.

use super::waiting::{Grant, Waiting};
use crate::{
    error::{Cancelled, Error, Result},
    runtime::{Core, WaitQueue, WaitReason},
};
use std::{
    cell::{Cell, Ref, RefCell, RefMut},
    fmt,
    ops::{Deref, DerefMut},
};

/// A value that many tasks may read, or one may change, at a time, also across `await`s.
///
/// Whoever waits is served in order, so neither readers nor writers can starve the others: a reader that comes after a
/// writer who waits, waits too. Therefore a task that reads must not wait to read once more: a writer in between would
/// wait for it, and it for the writer.
///
/// ```
/// use anyio::{Result, sync::RwLock};
///
/// # anyio::run(async || -> Result<()> {
/// let routes = RwLock::new(vec!["/"]);
/// {
///     let (one, other) = (routes.read().await?, routes.read().await?);
///     assert_eq!(*one, *other);
/// }
/// routes.write().await?.push("/health");
/// # Ok(()) }).unwrap();
/// ```
#[derive(Default)]
pub struct RwLock<T> {
    readers: Cell<usize>,
    writer: Cell<bool>,
    waiting: WaitQueue,
    value: RefCell<T>,
}

/// How a [`RwLock`] stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RwLockStatistics {
    /// How many tasks read.
    pub readers: usize,
    /// Whether a task writes.
    pub writer: bool,
    /// How many tasks wait.
    pub tasks_waiting: usize,
}

/// Labels of those who wait.
const READ: u64 = 0;
const WRITE: u64 = 1;

impl<T> RwLock<T> {
    /// A free lock around a value.
    pub const fn new(value: T) -> Self {
        Self {
            readers: Cell::new(0),
            writer: Cell::new(false),
            waiting: WaitQueue::new(),
            value: RefCell::new(value),
        }
    }

    /// Waits until this task may read.
    ///
    /// # Errors
    /// [`Cancelled`] if the scope is cancelled before it was this task's turn.
    ///
    /// # Cancel safety
    /// A cancelled call loses its place in the queue. One that is dropped after its turn has come lets the next have
    /// theirs.
    pub async fn read(&self) -> Result<ReadGuard<'_, T>, Cancelled> {
        Waiting::new(Read(self)).await
    }

    /// Waits until this task may write.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    ///
    /// # Cancel safety
    /// As for [`read`](Self::read).
    pub async fn write(&self) -> Result<WriteGuard<'_, T>, Cancelled> {
        Waiting::new(Write(self)).await
    }

    /// Reads if that can be done at once.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if a task writes or waits to.
    pub fn try_read(&self) -> Result<ReadGuard<'_, T>> {
        if self.writer.get() || self.waiting.first_waiting().is_some() {
            return Err(Error::WouldBlock);
        }
        self.readers.set(self.readers.get() + 1);
        Ok(self.read_guard())
    }

    /// Writes if that can be done at once.
    ///
    /// # Errors
    /// [`Error::WouldBlock`] if a task reads or writes, or waits to.
    pub fn try_write(&self) -> Result<WriteGuard<'_, T>> {
        if self.writer.get() || self.readers.get() > 0 || self.waiting.first_waiting().is_some() {
            return Err(Error::WouldBlock);
        }
        self.writer.set(true);
        Ok(self.write_guard())
    }

    /// The value, without locking: nobody else can have it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }

    /// How it stands.
    pub fn statistics(&self) -> RwLockStatistics {
        RwLockStatistics {
            readers: self.readers.get(),
            writer: self.writer.get(),
            tasks_waiting: self.waiting.len(),
        }
    }

    fn read_guard(&self) -> ReadGuard<'_, T> {
        ReadGuard { value: self.value.borrow(), _end: EndRead(self) }
    }

    fn write_guard(&self) -> WriteGuard<'_, T> {
        WriteGuard { value: self.value.borrow_mut(), _end: EndWrite(self) }
    }

    /// Lets those have their turn who can.
    fn admit(&self) {
        Core::change_anywhere(|| while self.admit_next() {});
    }

    /// Admits the next, if there is one for whom there is room now.
    fn admit_next(&self) -> bool {
        if self.writer.get() {
            return false;
        }
        match self.waiting.first_label() {
            Some(WRITE) => self.readers.get() == 0 && self.waiting.hand_over(0, |_| self.writer.set(true)),
            Some(_) => self.waiting.hand_over(0, |_| self.readers.set(self.readers.get() + 1)),
            None => false,
        }
    }

    fn end_read(&self) {
        self.readers.set(self.readers.get() - 1);
        self.admit();
    }

    fn end_write(&self) {
        self.writer.set(false);
        self.admit();
    }
}

impl<T: fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("RwLock");
        // The value's own code may use the lock, and finds it taken.
        match self.try_read() {
            Ok(value) => debug.field("value", &value),
            Err(_) => debug.field("value", &format_args!("<locked>")),
        };
        debug.field("tasks_waiting", &self.waiting.len()).finish()
    }
}

struct Read<'a, T>(&'a RwLock<T>);

impl<'a, T> Grant for Read<'a, T> {
    const REASON: WaitReason = WaitReason::ReadLock;

    type Output = ReadGuard<'a, T>;

    fn queue(&self) -> &WaitQueue {
        &self.0.waiting
    }

    fn try_now(&mut self) -> Option<Self::Output> {
        self.0.try_read().ok()
    }

    fn queue_up(&mut self) -> u64 {
        READ
    }

    fn granted(&mut self, _: i32) -> Self::Output {
        self.0.read_guard()
    }

    fn pass_on(&mut self, _: i32) {
        self.0.end_read();
    }
}

struct Write<'a, T>(&'a RwLock<T>);

impl<'a, T> Grant for Write<'a, T> {
    const REASON: WaitReason = WaitReason::WriteLock;

    type Output = WriteGuard<'a, T>;

    fn queue(&self) -> &WaitQueue {
        &self.0.waiting
    }

    fn try_now(&mut self) -> Option<Self::Output> {
        self.0.try_write().ok()
    }

    fn queue_up(&mut self) -> u64 {
        WRITE
    }

    fn granted(&mut self, _: i32) -> Self::Output {
        self.0.write_guard()
    }

    fn left(&mut self) {
        // Readers behind this writer need not wait any longer.
        self.0.admit();
    }

    fn pass_on(&mut self, _: i32) {
        self.0.end_write();
    }
}

/// Lets a task read what a [`RwLock`] protects, until it is dropped.
#[must_use = "reading ends when the guard is dropped"]
pub struct ReadGuard<'a, T> {
    // Dropped in this order: whoever is next may borrow the value.
    value: Ref<'a, T>,
    _end: EndRead<'a, T>,
}

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

struct EndRead<'a, T>(&'a RwLock<T>);

impl<T> Drop for EndRead<'_, T> {
    fn drop(&mut self) {
        self.0.end_read();
    }
}

/// Lets a task change what a [`RwLock`] protects, until it is dropped.
#[must_use = "writing ends when the guard is dropped"]
pub struct WriteGuard<'a, T> {
    // Dropped in this order: whoever is next may borrow the value.
    value: RefMut<'a, T>,
    _end: EndWrite<'a, T>,
}

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

struct EndWrite<'a, T>(&'a RwLock<T>);

impl<T> Drop for EndWrite<'_, T> {
    fn drop(&mut self) {
        self.0.end_write();
    }
}
