//! The part of a group that does not depend on its error type.

use super::child::ChildHeader;
use crate::runtime::{Core, Deadline, ReadyList, ReasonKind, RunId, Scope, StoredWaker, Wakee};
use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::Location,
    ptr,
    task::Waker,
};

/// Which of a group's tasks are ready, and who is to be woken for it.
pub(crate) struct ReadyQueue {
    pub(crate) urgent: ReadyList,
    pub(crate) charged: ReadyList,
    polling: Cell<bool>,
    host: RefCell<StoredWaker>,
}

impl ReadyQueue {
    const fn new() -> Self {
        Self {
            urgent: ReadyList::new(),
            charged: ReadyList::new(),
            polling: Cell::new(false),
            host: RefCell::new(StoredWaker::NONE),
        }
    }

    /// Whether the group is being polled, and looks into its lists before it is done.
    #[inline]
    pub(crate) fn is_polling(&self) -> bool {
        self.polling.get()
    }

    pub(super) fn set_polling(&self, polling: bool) {
        self.polling.set(polling);
    }

    /// Who polls the group.
    #[inline]
    pub(crate) fn host(&self) -> Wakee {
        self.host.borrow().wakee()
    }

    pub(super) fn set_host(&self, waker: &Waker) {
        // A waker may be anyone's: it is cloned and dropped outside of the borrow.
        let mut host = self.host.replace(StoredWaker::NONE);
        host.update(waker);
        self.host.replace(host);
    }
}

/// A group without its errors.
pub(super) struct GroupCore {
    pub(super) ready: ReadyQueue,
    pub(super) scope: Scope,
    pub(super) children: Cell<*const ChildHeader>,
    pub(super) live: Cell<usize>,
    pub(super) closed: Cell<bool>,
    pub(super) run: Cell<Option<RunId>>,
    panic: Cell<Option<Box<dyn Any + Send>>>,
}

impl GroupCore {
    pub(super) fn new() -> Self {
        Self {
            ready: ReadyQueue::new(),
            scope: Scope::new_node(Deadline::NEVER, false),
            children: Cell::new(ptr::null()),
            live: Cell::new(0),
            closed: Cell::new(false),
            run: Cell::new(None),
            panic: Cell::new(None),
        }
    }

    /// Cancels what is left because one has failed.
    pub(super) fn fail(&self) {
        self.scope.cancel_with(ReasonKind::SiblingFailed, None, Location::caller());
    }

    /// Keeps a panic for the parent, if it is the first, and cancels what is left.
    pub(super) fn panicked(&self, payload: Box<dyn Any + Send>) {
        let first = self.panic.take();
        self.panic.set(Some(first.unwrap_or(payload)));
        self.fail();
    }

    pub(super) fn take_panic(&self) -> Option<Box<dyn Any + Send>> {
        self.panic.take()
    }

    /// Whether the group was begun in the run of this executor.
    pub(super) fn belongs_to(&self, core: &Core) -> bool {
        self.run.get() == Some(core.run())
    }
}
