//! The part of a group that does not depend on its error type.

use super::child::{ChildHeader, describe};
use crate::runtime::{Core, Deadline, ReadyQueue, ReasonKind, RunId, Scope};
use std::{any::Any, cell::Cell, panic::Location, ptr};

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
            ready: ReadyQueue::new(describe),
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
