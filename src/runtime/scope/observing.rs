//! Scopes whose checkpoints somebody looks at.
//!
//! What looks whether a scope is cancelled tests a flag in any case. For an observed scope the same test finds another flag, too,
//! and asks the observer first. So where nobody observes there is nothing to count and nothing to ask.

use super::{Flags, Scope};
use crate::runtime::{Core, WaitKey, observation};

/// Either of them is a reason to look closer.
const MARKS: Flags = Flags::EFFECTIVE.union(Flags::OBSERVED);

impl Scope {
    /// Has the observer of this thread look at every checkpoint within this scope.
    pub(crate) fn observe(&self) {
        self.set(Flags::OBSERVED, true);
    }

    /// The marks of this scope, which are those of the next one further out as long as it has no place in the tree.
    #[inline]
    fn marks(&self) -> Flags {
        let mut node = self;
        loop {
            let flags = node.flags.get();
            if flags.intersects(MARKS) {
                return flags;
            }
            if flags.intersects(Flags::LINKED.union(Flags::SHIELDED)) {
                return Flags::empty();
            }
            match node.parent() {
                Some(parent) => node = parent,
                None => return Flags::empty(),
            }
        }
    }

    /// A checkpoint in this scope: whether it gives [`Cancelled`](crate::Cancelled).
    #[inline]
    pub(crate) fn reach_checkpoint(&self, core: &Core) -> bool {
        let marks = self.marks();
        if marks.is_empty() {
            return false;
        }
        if marks.contains(Flags::OBSERVED) {
            observation::checkpoint(core, self);
            return self.is_effective();
        }
        true
    }

    /// Something has begun to wait in this scope: whether the scope is cancelled.
    #[inline]
    pub(crate) fn begin_waiting(&self, core: &Core, wait: WaitKey) -> bool {
        let marks = self.marks();
        if marks.is_empty() {
            return false;
        }
        if marks.contains(Flags::OBSERVED) {
            observation::waits(core, self, wait);
            return self.is_effective();
        }
        true
    }

    /// Marks the nodes below, down to shields.
    #[cold]
    pub(super) fn observe_below(&self) {
        self.walk(|node| {
            let reached = std::ptr::eq(node, self) || !node.has(Flags::SHIELDED);
            if reached {
                node.set(Flags::OBSERVED, true);
            }
            reached
        });
    }

    /// Whether a cancellation of `outer`, which is this scope or further out, reaches into this one.
    pub(crate) fn is_reached_from(&self, outer: *const Scope) -> bool {
        for scope in self.and_those_around() {
            if std::ptr::eq(scope, outer) {
                return true;
            }
            if scope.has(Flags::SHIELDED) {
                return false;
            }
        }
        false
    }
}
