//! The part of a group that does not depend on its error type.

use super::child::ChildHeader;
use crate::runtime::{
    Core, Deadline, FirstPanic, PanicPayload, ReadyList, ReasonKind, RunId, Scope, StoredWaker, TaskKey,
    Wakee,
};
use std::{
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

    /// Says that the group is being polled, as long as the guard lives.
    pub(super) fn begin_polling(&self) -> Polling<'_> {
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
    pub(crate) fn take_host(&self) -> Wakee {
        match self.host_task() {
            Some(task) => Wakee::Task(task),
            None => self.host.take().into_wakee(),
        }
    }

    pub(super) fn set_host(&self, waker: &Waker) {
        if self.host.borrow_mut().keep_task_of(waker) || self.host.borrow().is(waker) {
            return;
        }
        // Cloning and dropping may be anyone's code: the one before is kept until there is another, and dropped last.
        let new = StoredWaker::of(waker);
        drop(self.host.replace(new));
    }
}

/// A group that is being polled.
pub(super) struct Polling<'a>(&'a ReadyQueue);

impl Drop for Polling<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.polling.set(false);
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
    pub(super) panic: FirstPanic,
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
            panic: FirstPanic::new(),
        }
    }

    /// Cancels what is left because one has failed.
    pub(super) fn fail(&self) {
        self.scope.cancel_with(ReasonKind::SiblingFailed, None, Location::caller());
    }

    /// Keeps a panic for the parent, if it is the first, and cancels what is left.
    pub(super) fn panicked(&self, payload: PanicPayload) {
        self.panic.keep(payload);
        self.panic.catch(|| self.fail());
    }

    /// Whether the group was begun in the run of this executor.
    pub(super) fn belongs_to(&self, core: &Core) -> bool {
        self.run.get() == Some(core.run())
    }
}
