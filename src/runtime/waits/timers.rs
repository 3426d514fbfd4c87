//! Timers: sleeps and the deadlines of scopes.

use super::{WaitKey, WaitKind, WaitState, Waits};
use crate::{
    runtime::{WaitReason, waker::StoredWaker},
    scope::Scope,
};
use std::time::Instant;

/// A timer that has expired.
pub(crate) enum Expired {
    /// This is to be woken.
    Wake(StoredWaker),
    /// This scope's time is over. It is alive: it removes its deadline before it goes.
    Deadline(*const Scope),
}

impl Waits {
    /// Takes a slot for a timer that expires no earlier than `at`.
    #[inline]
    pub(crate) fn insert_timer(&self, at: Instant) -> WaitKey {
        let key = self.insert(WaitKind::Timer, WaitReason::Sleep);
        self.wheel().insert(self.slots(), key.index(), at);
        key
    }

    /// Takes a slot for the deadline of a scope, which is pointed to but not linked.
    ///
    /// # Safety
    /// The node stays where it is, and removes the slot before it goes.
    pub(crate) unsafe fn insert_deadline(&self, scope: &Scope, at: Instant) -> WaitKey {
        let key = self.insert(WaitKind::Deadline, WaitReason::Sleep);
        self.slot(key).scope = scope;
        self.wheel().insert(self.slots(), key.index(), at);
        key
    }

    /// Takes out one timer that is due at `now`, if there is one.
    pub(crate) fn expire(&self, now: Instant) -> Option<Expired> {
        let index = self.wheel().expire(self.slots(), now)?;
        let slot = &mut self.slots()[index as usize];
        slot.state = WaitState::Done;
        Some(match slot.kind {
            WaitKind::Deadline => Expired::Deadline(slot.scope),
            _ => Expired::Wake(slot.waker.take()),
        })
    }

    /// Whether no timer is in the wheel.
    #[inline]
    pub(crate) fn has_no_timers(&self) -> bool {
        self.wheel().is_empty()
    }

    /// When to look for expired timers again.
    pub(crate) fn next_timer(&self) -> Option<Instant> {
        self.wheel().next()
    }

    /// When the first timer expires.
    pub(crate) fn earliest_timer(&self) -> Option<Instant> {
        self.wheel().earliest(self.slots())
    }
}
