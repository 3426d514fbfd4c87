//! The tasks of a group that are ready.

use super::{
    scope::Scope,
    tasks::ReadyList,
    waker::{StoredWaker, TaskKey, Wakee},
};
use std::{
    cell::{Cell, RefCell},
    panic::Location,
    task::Waker,
};

/// Which of a group's tasks are ready, and who is to be woken for it.
pub(crate) struct ReadyQueue {
    pub(crate) urgent: ReadyList,
    pub(crate) charged: ReadyList,
    polling: Cell<bool>,
    host: RefCell<StoredWaker>,
    describe: DescribeChild,
}

/// Tells about a child of a group, by the pointer that the table of tasks has of it.
///
/// # Safety
/// The child lives.
pub(crate) type DescribeChild = unsafe fn(*const ()) -> Described;

/// What is to be told of a child.
pub(crate) struct Described {
    pub(crate) name: Option<String>,
    pub(crate) location: &'static Location<'static>,
    pub(crate) scope: *const Scope,
}

impl ReadyQueue {
    /// The queue of a group whose children are described in this way.
    pub(crate) const fn new(describe: DescribeChild) -> Self {
        Self {
            urgent: ReadyList::new(),
            charged: ReadyList::new(),
            polling: Cell::new(false),
            host: RefCell::new(StoredWaker::NONE),
            describe,
        }
    }

    /// Whether the group is being polled, and looks into its lists before it is done.
    #[inline]
    pub(crate) fn is_polling(&self) -> bool {
        self.polling.get()
    }

    /// Says that the group is being polled, as long as the guard lives.
    pub(crate) fn begin_polling(&self) -> Polling<'_> {
        self.polling.set(true);
        Polling(self)
    }

    /// The task that polls the group, if it is one of anyio's that does.
    #[inline]
    pub(crate) fn host_task(&self) -> Option<TaskKey> {
        self.host.borrow().task()
    }

    /// Who is to be woken so that the group is polled. A waker that is not anyio's is given up: waking it once is enough
    /// until the next poll, which sets it anew.
    #[inline]
    pub(super) fn take_host(&self) -> Wakee {
        match self.host_task() {
            Some(task) => Wakee::Task(task),
            None => self.host.take().into_wakee(),
        }
    }

    #[inline]
    pub(crate) fn set_host(&self, waker: &Waker) {
        if !self.host.borrow().is(waker) {
            self.set_another_host(waker);
        }
    }

    fn set_another_host(&self, waker: &Waker) {
        if self.host.borrow_mut().keep_task_of(waker) {
            return;
        }
        // Cloning and dropping may be anyone's code: the one before is kept until there is another, and dropped last.
        let new = StoredWaker::of(waker);
        drop(self.host.replace(new));
    }

    /// Tells about a child of the group.
    ///
    /// # Safety
    /// `child` is what the table of tasks was given for a child of this group that lives.
    pub(super) unsafe fn describe(&self, child: *const ()) -> Described {
        // SAFETY: the caller's promise.
        unsafe { (self.describe)(child) }
    }
}

/// A group that is being polled.
pub(crate) struct Polling<'a>(&'a ReadyQueue);

impl Drop for Polling<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.polling.set(false);
    }
}
