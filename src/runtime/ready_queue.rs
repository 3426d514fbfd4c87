//! The tasks of a group that are ready.

use super::{
    scope::Scope,
    tasks::ReadyList,
    waker::{StoredWaker, Wakee},
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

    pub(crate) fn set_polling(&self, polling: bool) {
        self.polling.set(polling);
    }

    /// Who polls the group.
    #[inline]
    pub(crate) fn host(&self) -> Wakee {
        self.host.borrow().wakee()
    }

    pub(crate) fn set_host(&self, waker: &Waker) {
        // A waker may be anyone's: it is cloned and dropped outside of the borrow.
        let mut host = self.host.replace(StoredWaker::NONE);
        host.update(waker);
        self.host.replace(host);
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
