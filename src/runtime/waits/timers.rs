//! Timers: sleeps and the deadlines of scopes.

use super::{WaitKey, WaitKind, WaitState, Waits};
use crate::runtime::{
    Scope, WaitReason,
    waker::{StoredWaker, TaskKey},
};
use anyio_driver::prefetch;
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

    /// Takes out one timer that is due at `now`, if there is one. Tells, too, which task will most likely be woken next.
    pub(crate) fn expire(&self, now: Instant) -> Option<(Expired, Option<TaskKey>)> {
        let index = self.wheel().expire(self.slots(), now)?;
        let slots = self.slots();
        let slot = &mut slots[index as usize];
        slot.state = WaitState::Done;
        let next = slot.link.next;
        let expired = match slot.kind {
            WaitKind::Deadline => Expired::Deadline(slot.scope),
            _ => Expired::Wake(slot.waker.take()),
        };
        // Nobody has looked at these slots since they were filled.
        let next = slots.get(next as usize).and_then(|next| {
            if let Some(behind) = slots.get(next.link.next as usize) {
                prefetch(behind);
            }
            next.waker.task()
        });
        Some((expired, next))
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
