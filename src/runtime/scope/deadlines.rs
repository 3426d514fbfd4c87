//! When a scope cancels itself.

use super::{Deadline, Flags, Scope, When};
use crate::runtime::{Core, clock};
use std::time::Instant;

impl Scope {
    pub(super) fn fixed_deadline(&self) -> Option<Instant> {
        match self.deadline.get().when() {
            When::Never => None,
            When::At(at) => Some(at),
            When::After(delay) => {
                let at = clock::now().checked_add(delay);
                if self.is_entered() {
                    self.deadline.set(at.map_or(Deadline::NEVER, Deadline::at));
                }
                at
            }
        }
    }

    /// When the scope is cancelled by itself: at its deadline, or when the time to finish is over.
    fn own_end(&self) -> Option<Instant> {
        [self.fixed_deadline(), self.end_of_grace()].into_iter().flatten().min()
    }

    pub(super) fn arm(&self, core: &Core) {
        if self.has(Flags::CANCELLED) {
            return;
        }
        if let Some(at) = self.own_end() {
            // SAFETY: an entered node stays where it is, and `leave` and `drop` remove the deadline.
            self.timer.set(Some(unsafe { core.waits().insert_deadline(self, at) }));
        }
    }

    pub(super) fn disarm(&self, core: &Core) {
        if let Some(timer) = self.timer.take().filter(|&timer| core.waits().is_current(timer)) {
            // A deadline wakes nobody.
            drop(core.waits().remove(timer));
        }
    }

    /// The earliest deadline that reaches into this scope, and whether it is cancelled already.
    pub(crate) fn effective_deadline(&self) -> (bool, Option<Instant>) {
        if self.is_effective() {
            return (true, None);
        }
        let mut earliest: Option<Instant> = None;
        let mut node = Some(self);
        while let Some(scope) = node {
            earliest = [earliest, scope.own_end()].into_iter().flatten().min();
            node = if scope.has(Flags::SHIELDED) { None } else { scope.parent() };
        }
        (false, earliest)
    }
}
