//! The part of a group that does not depend on its error type.

use super::child::{ChildHeader, describe};
use crate::runtime::{Core, Deadline, FirstPanic, PanicPayload, ReadyQueue, ReasonKind, RunId, Scope};
use std::{cell::Cell, panic::Location, ptr};

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
            ready: ReadyQueue::new(describe),
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
