//! Cancelling a scope, and who absorbs it.

use super::{CancelReason, DELIVERIES_BEFORE_WARNING, Deadline, Flags, ReasonKind, Scope, When};
use crate::{
    error::Cancelled,
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
                return node.reason();
            }
            if node.has(Flags::SHIELDED) {
                return None;
            }
            node = node.parent()?;
        }
    }

    /// Whether a cancellation from further out reaches into this scope.
    pub(crate) fn is_cancelled_from_outside(&self) -> bool {
        !self.has(Flags::SHIELDED) && self.parent().is_some_and(Scope::is_effective)
    }

    /// Decides who is responsible for a body that ended with a cancellation: true if this scope is, and absorbs it.
    pub(crate) fn absorbs(&self) -> bool {
        let absorbs = self.would_absorb();
        if absorbs {
            self.absorb();
        }
        absorbs
    }

    /// Whether this scope absorbs its body's cancellation, if that ended with one.
    #[inline]
    pub(crate) fn would_absorb(&self) -> bool {
        self.has(Flags::CANCELLED) && !self.is_cancelled_from_outside()
    }

    /// Notes that the body's cancellation was absorbed here.
    pub(crate) fn absorb(&self) {
        self.set(Flags::CAUGHT, true);
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
        self.reason.set(Some(Box::new(CancelReason::new(kind, message, location))));
        if self.is_entered() {
            // Without an executor nothing waits any more.
            Core::try_with(|core| {
                self.disarm(core);
                if !self.has(Flags::EFFECTIVE) {
                    self.deliver(core);
                }
            });
        }
    }

    /// The deadline has passed.
    pub(crate) fn expire(&self, core: &Core) {
        self.disarm(core);
        if let When::After(_) = self.deadline.get().when() {
            self.deadline.set(Deadline::at(core.now()));
        }
        self.cancel_with(ReasonKind::Deadline, None, Location::caller());
    }

    /// Marks the nodes below, down to shields and to those that are marked, and cancels their waits.
    pub(super) fn deliver(&self, core: &Core) {
        core.change(|core| {
            self.walk(|node| {
                if !ptr::eq(node, self) && node.has(Flags::SHIELDED) || node.has(Flags::EFFECTIVE) {
                    return false;
                }
                node.set(Flags::EFFECTIVE, true);
                node.prefetch_behind(core);
                core.cancel_waits(node);
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

    /// Unmarks the nodes below, down to shields and to those that are cancelled themselves.
    pub(super) fn lift(&self) {
        self.walk(|node| {
            if node.has(Flags::CANCELLED) || !ptr::eq(node, self) && node.has(Flags::SHIELDED) {
                return false;
            }
            node.set(Flags::EFFECTIVE, false);
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

    pub(super) fn cancel_waits(&self, scope: &Scope) {
        self.waits().cancel_all(
            scope,
            |token| self.cancel_operation(token),
            |waker: StoredWaker| self.wake_stored(waker),
        );
    }
}
