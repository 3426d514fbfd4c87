//! Cancelling a scope, and who absorbs it.

use super::{CancelReason, DELIVERIES_BEFORE_WARNING, Deadline, Flags, ReasonKind, Scope, Stopping, When};
use crate::{
    error::{Cancelled, Error},
    runtime::{Core, StoredWaker},
};
use anyio_driver::prefetch;
use std::{panic::Location, ptr};

impl Scope {
    /// Whether a checkpoint in this scope gives [`Cancelled`].
    #[inline]
    pub(crate) fn is_effective(&self) -> bool {
        let mut node = self;
        loop {
            let flags = node.flags.get();
            if flags.contains(Flags::EFFECTIVE) {
                return true;
            }
            if flags.intersects(Flags::LINKED.union(Flags::SHIELDED)) {
                return false;
            }
            match node.parent() {
                Some(parent) => node = parent,
                None => return false,
            }
        }
    }

    /// Why a checkpoint in this scope gives [`Cancelled`], if it does: the reason of the nearest scope that was cancelled.
    pub(crate) fn effective_reason(&self) -> Option<CancelReason> {
        let mut node = self;
        loop {
            if node.has(Flags::CANCELLED) {
                return node.reason().or_else(|| node.reason_of_idle());
            }
            if node.has(Flags::SHIELDED) {
                return None;
            }
            node = node.parent()?;
        }
    }

    pub(crate) fn cancel_with(
        &self,
        kind: ReasonKind,
        message: Option<String>,
        location: &'static Location<'static>,
    ) {
        if self.has(Flags::CANCELLED) {
            return;
        }
        self.set(Flags::CANCELLED, true);
        let foreseen = self.reason.take().filter(|_| kind == ReasonKind::Deadline && message.is_none());
        self.reason.set(Some(foreseen.unwrap_or_else(|| CancelReason::new(kind, message, location))));
        let told = Core::try_with(|core| core.describe_cancellation(self)).flatten();
        if self.is_entered() {
            // Without an executor nothing waits any more.
            Core::try_with(|core| {
                self.disarm(core);
                if !self.has(Flags::EFFECTIVE) {
                    self.deliver(core, Stopping::Cancel);
                }
            });
        }
        // Last, since it is code of users. So are the wakers before, with which the scope may have gone.
        if let Some(cancelled) = told {
            Core::try_with(|core| core.tell_of_cancellation(cancelled));
        }
    }

    /// The deadline has passed, or the time to finish.
    pub(crate) fn expire(&self, core: &Core) {
        self.disarm(core);
        if let When::After(_) = self.deadline.get().when() {
            self.deadline.set(Deadline::at(core.now()));
        }
        let is_finished = self.end_of_grace().is_some_and(|end| match self.deadline.get().when() {
            When::At(at) => end < at,
            When::Never | When::After(_) => true,
        });
        match self.finish_location().filter(|_| is_finished) {
            Some(location) => self.cancel_with(ReasonKind::Finished, None, location),
            None => self.cancel_with(ReasonKind::Deadline, None, Location::caller()),
        }
    }

    /// Marks the nodes below, down to shields and to those that are marked, and ends their waits that the stage ends.
    pub(super) fn deliver(&self, core: &Core, stage: Stopping) {
        core.change(|core| {
            self.walk(|node| {
                if !ptr::eq(node, self) && node.has(Flags::SHIELDED) || node.has(stage.effective()) {
                    return false;
                }
                node.set(stage.effective(), true);
                node.prefetch_behind(core);
                match stage {
                    Stopping::Cancel => core.cancel_waits(node),
                    Stopping::Finish => node.end_idle(core),
                }
                true
            });
        });
    }

    /// Has fetched what the cancellation of the next siblings will touch. Those who wait have not been looked at for long.
    #[inline]
    fn prefetch_behind(&self, core: &Core) {
        // SAFETY: siblings in the list are alive: see the contract.
        if let Some(next) = unsafe { self.next.get().as_ref() } {
            core.waits().prefetch(next.first_wait());
            prefetch(next.next.get());
        }
    }

    /// Unmarks the nodes below, down to shields and to those that were told themselves.
    pub(super) fn lift(&self, stage: Stopping) {
        self.walk(|node| {
            if node.has(stage.own()) || !ptr::eq(node, self) && node.has(Flags::SHIELDED) {
                return false;
            }
            node.set(stage.effective(), false);
            true
        });
    }

    /// Visits this node and those below it, parents first. What is below a node is left out if `visit` says false.
    pub(super) fn walk(&self, mut visit: impl FnMut(&Scope) -> bool) {
        let mut node = self;
        let mut descend = visit(node);
        loop {
            // SAFETY: children and siblings in lists are alive (see the contract), and `visit` changes no lists.
            let child = unsafe { node.first_child.get().as_ref() };
            if let Some(child) = child.filter(|_| descend) {
                node = child;
            } else {
                loop {
                    if ptr::eq(node, self) {
                        return;
                    }
                    // SAFETY: as above.
                    if let Some(next) = unsafe { node.next.get().as_ref() } {
                        node = next;
                        break;
                    }
                    match node.parent() {
                        Some(parent) => node = parent,
                        None => return,
                    }
                }
            }
            descend = visit(node);
        }
    }

    /// Counts a delivery to code that has not waited since the last. True when somebody is to be warned.
    pub(crate) fn count_delivery(&self) -> bool {
        let count = self.deliveries.get().saturating_add(1);
        self.deliveries.set(count);
        if count >= DELIVERIES_BEFORE_WARNING && !self.has(Flags::WARNED) {
            self.set(Flags::WARNED, true);
            return true;
        }
        false
    }
}

impl Core {
    /// A checkpoint without a wait: whether the current scope is cancelled.
    ///
    /// # Errors
    /// [`Cancelled`] if it is.
    #[inline]
    pub(crate) fn check_cancelled(&self) -> Result<(), Cancelled> {
        if self.reach_checkpoint() { Err(Cancelled::new()) } else { Ok(()) }
    }

    /// A checkpoint before something new starts: whether the current scope is cancelled, or finishing.
    ///
    /// # Errors
    /// [`Error::Cancelled`] or [`Error::Finishing`] if it is.
    #[inline]
    pub(crate) fn check_starting(&self) -> Result<(), Error> {
        if self.reach_checkpoint() {
            return Err(Cancelled::new().into());
        }
        if self.scope_is_finishing() { Err(Error::Finishing) } else { Ok(()) }
    }

    pub(super) fn cancel_waits(&self, scope: &Scope) {
        self.waits().cancel_all(
            scope,
            |token| self.cancel_operation(token),
            |waker: StoredWaker| self.wake_stored(waker),
        );
    }
}
