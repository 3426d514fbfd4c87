//! The slots of everything that waits.
//!
//! # Contract
//! A slot is taken when something begins to wait and freed when that is over: an operation in the driver, a timer,
//! a waiter of an event or channel, a scope's deadline. Its index and generation make the token of the operation.
//! It holds who is to be woken, the links through the list of its scope, and what the kind of wait needs.
//!
//! The slots lie in an `UnsafeCell`. Every method copies plain values in or out and runs no code of users: a waker
//! is woken or dropped only by the caller, after the method has returned, or, where one is set, before anything is
//! borrowed and after everything is done. So no two borrows ever overlap, although methods take `&self`. The slots
//! belong to one thread.
//!
//! A slot points to its scope's node as long as it is linked. Before a node goes it hands all its slots to another
//! or unlinks them ([`Waits::move_all`], [`Waits::detach_all`]), and slots unlink themselves when they are freed, so the
//! pointer never dangles.

mod operations;
mod queues;
mod reasons;
mod scopes;
mod slot;
mod timers;

pub(crate) use operations::{Delivery, Next, OneOfMany};
pub(crate) use slot::{Outcome, WaitKey, WaitKind, WaitState};
pub(crate) use timers::Expired;

use self::slot::{Marks, Slot};
use super::{
    RunId, Scope,
    clock::RunClock,
    observation,
    wait_reason::WaitReason,
    waker::StoredWaker,
    wheel::{COARSE, EXACT, NONE, Wheel},
};
use anyio_driver::{Token, planted};
use std::{
    cell::{Cell, UnsafeCell},
    os::fd::RawFd,
    ptr,
    task::Waker,
};

/// How a wait stands for who polls it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// As it was left: nothing has come, and when something does the same task is woken, in the same scope.
    Untouched,
    /// It is linked to a scope, as it is from when somebody begins to wait for it until nobody does.
    Linked,
    Unlinked,
}

/// All slots of one executor.
pub(crate) struct Waits {
    run: RunId,
    slots: UnsafeCell<Vec<Slot>>,
    /// The first free slot; they are threaded through `link.next`.
    free: Cell<u32>,
    used: Cell<u32>,
    last_queue: Cell<u32>,
    wheel: UnsafeCell<Wheel>,
}

impl Waits {
    pub(crate) fn new(run: RunId, clock: &RunClock) -> Self {
        let tick_bits = if clock.is_virtual() { EXACT } else { COARSE };
        Self {
            run,
            slots: UnsafeCell::default(),
            free: Cell::new(NONE),
            used: Cell::new(0),
            last_queue: Cell::new(0),
            wheel: UnsafeCell::new(Wheel::new(clock.now(), tick_bits)),
        }
    }

    #[inline]
    #[expect(clippy::mut_from_ref, reason = "private; the module's contract keeps borrows apart")]
    fn slots(&self) -> &mut Vec<Slot> {
        // SAFETY: by the contract no other borrow of the slots is alive.
        unsafe { &mut *self.slots.get() }
    }

    #[inline]
    #[expect(clippy::mut_from_ref, reason = "private; the module's contract keeps borrows apart")]
    fn wheel(&self) -> &mut Wheel {
        // SAFETY: by the contract no other borrow of the wheel is alive.
        unsafe { &mut *self.wheel.get() }
    }

    #[inline]
    fn slot(&self, key: WaitKey) -> &mut Slot {
        match self.slots().get_mut(key.index() as usize) {
            Some(slot) if slot.generation == key.generation() && key.run() == self.run => slot,
            _ => misused(),
        }
    }

    #[inline]
    fn key(&self, index: u32, generation: u32) -> WaitKey {
        WaitKey::new(Token::new(index, generation), self.run)
    }

    /// How many slots are taken.
    pub(crate) fn used(&self) -> usize {
        self.used.get() as usize
    }

    /// Takes a slot for a wait, and notes what for.
    #[inline]
    pub(crate) fn insert(&self, kind: WaitKind, reason: WaitReason) -> WaitKey {
        self.used.set(self.used.get() + 1);
        let slots = self.slots();
        let index = self.free.get();
        let Some(slot) = slots.get_mut(index as usize) else { return self.insert_new(kind, reason) };
        self.free.set(slot.link.next);
        slot.begin(kind, reason);
        self.key(index, slot.generation)
    }

    /// The same for an operation that is kept, and uses this descriptor.
    #[inline]
    pub(crate) fn insert_kept(&self, reason: WaitReason, descriptor: RawFd) -> WaitKey {
        let slots = self.slots();
        let index = self.free.get();
        let Some(slot) = slots.get_mut(index as usize) else {
            let key = self.insert(WaitKind::Kept, reason);
            self.set_descriptor(key, Some(descriptor));
            return key;
        };
        self.used.set(self.used.get() + 1);
        self.free.set(slot.link.next);
        slot.begin(WaitKind::Kept, reason);
        slot.outcome.set_descriptor(descriptor);
        self.key(index, slot.generation)
    }

    #[cold]
    fn insert_new(&self, kind: WaitKind, reason: WaitReason) -> WaitKey {
        let slots = self.slots();
        let index = u32::try_from(slots.len()).expect("fewer than 2³² waits fit into memory");
        slots.push(Slot::new(kind, reason));
        self.key(index, 0)
    }

    /// Frees a slot: unlinks it from its scope and takes its timer out. Gives the waker that it held, to be dropped when
    /// everything else is done.
    #[inline]
    pub(crate) fn remove(&self, key: WaitKey) -> StoredWaker {
        let slot = self.slot(key);
        debug_assert!(
            !matches!(slot.kind, WaitKind::Kept | WaitKind::KeptMessages) || slot.link.tick == 0,
            "results of an operation were lost"
        );
        if matches!(slot.kind, WaitKind::Timer | WaitKind::Deadline) && slot.state == WaitState::Waiting {
            self.wheel().remove(self.slots(), key.index());
        }
        self.free_slot(key.index())
    }

    /// The same for a slot that may have been freed already, with its run.
    #[inline]
    pub(crate) fn remove_if_current(&self, key: WaitKey) -> StoredWaker {
        if self.is_current(key) { self.remove(key) } else { StoredWaker::NONE }
    }

    /// Takes all wakers out that are not anyio's, to be dropped: nothing is woken any more.
    pub(crate) fn take_wakers(&self) -> Vec<StoredWaker> {
        let held =
            self.slots().iter_mut().filter(|slot| !slot.waker.is_none() && slot.waker.task().is_none());
        held.map(|slot| slot.waker.take()).collect()
    }

    /// Frees a slot that is in no queue and no wheel; gives the waker that it held.
    #[inline]
    fn free_slot(&self, index: u32) -> StoredWaker {
        let slot = &mut self.slots()[index as usize];
        let links = slot.take_links();
        slot.scope = ptr::null();
        slot.kind = WaitKind::Free;
        slot.generation = (slot.generation + u32::from(!planted("name used again"))) % Token::GENERATIONS;
        slot.link.next = self.free.replace(index);
        self.used.set(self.used.get() - 1);
        let waker = slot.waker.take();
        self.close_gap(links);
        waker
    }

    /// How the wait stands.
    #[inline]
    pub(crate) fn state(&self, key: WaitKey) -> WaitState {
        self.slot(key).state
    }

    /// Whether the slot is still that wait's.
    #[inline]
    pub(crate) fn is_current(&self, key: WaitKey) -> bool {
        key.run() == self.run
            && self.slots().get(key.index() as usize).is_some_and(|slot| slot.generation == key.generation())
    }

    /// How a wait stands for who is woken by this waker in this scope. Not for waits that stand in a queue.
    #[inline]
    pub(crate) fn standing(&self, key: WaitKey, scope: *const Scope, waker: &Waker) -> Standing {
        match self.slots().get(key.index() as usize) {
            Some(slot) if slot.generation == key.generation() && key.run() == self.run => {
                if slot.scope.is_null() {
                    return Standing::Unlinked;
                }
                let is_untouched = slot.state == WaitState::Waiting
                    && slot.link.next == NONE
                    && ptr::eq(slot.scope, scope)
                    && slot.waker.is(waker);
                if is_untouched { Standing::Untouched } else { Standing::Linked }
            }
            _ => Standing::Unlinked,
        }
    }

    /// Begins again: not cancelled and not done.
    pub(crate) fn reset(&self, key: WaitKey) {
        let slot = self.slot(key);
        slot.state = WaitState::Waiting;
        slot.marks.remove(Marks::CANCEL_ASKED);
    }

    /// Sets who is to be woken. One that is not anyio's is woken at once if the wait has ended, since making a clone of it
    /// may have ended it.
    #[inline]
    pub(crate) fn set_waker(&self, key: WaitKey, waker: &Waker) {
        if !self.slot(key).waker.keep_task_of(waker) {
            self.set_foreign_waker(key, waker);
        }
    }

    /// Sets who is to be woken, and gives who was to be before.
    pub(super) fn exchange_waker(&self, key: WaitKey, waker: Waker) -> StoredWaker {
        std::mem::replace(&mut self.slot(key).waker, StoredWaker::of(&waker))
    }

    /// Whether it is an operation in the driver.
    pub(crate) fn is_of_driver(&self, key: WaitKey) -> bool {
        matches!(
            self.slot(key).kind,
            WaitKind::Operation | WaitKind::Kept | WaitKind::KeptMessages | WaitKind::Piece
        )
    }

    /// What is waited for.
    pub(crate) fn reason(&self, key: WaitKey) -> WaitReason {
        self.slot(key).reason
    }

    #[cold]
    fn set_foreign_waker(&self, key: WaitKey, waker: &Waker) {
        if self.slot(key).waker.is(waker) || observation::keeps_waker_of(key, waker) {
            return;
        }
        let new = StoredWaker::of(waker);
        if self.is_current(key) && self.state(key) == WaitState::Waiting {
            // Until then the one before is woken, and from then on the new one.
            let before = std::mem::replace(&mut self.slot(key).waker, new);
            drop(before);
        } else {
            waker.wake_by_ref();
        }
    }
}

#[cold]
#[inline(never)]
fn misused() -> ! {
    panic!("a wait was used after its end, or a future in another run than the one it began to wait in")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::clock::Clock;
    use anyio_driver::Completion;
    use std::time::Duration;

    #[test]
    fn the_name_of_a_wait_that_has_ended_is_none_of_a_later_one() {
        let clock = RunClock::new(Clock::Virtual, Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let waits = Waits::new(RunId::next(), &clock);
        let ended = waits.insert(WaitKind::Operation, WaitReason::Send);
        drop(waits.remove(ended));
        let later = waits.insert(WaitKind::Operation, WaitReason::Send);
        assert_eq!(later.index(), ended.index(), "its place is taken again");
        assert!(!waits.is_current(ended));
        assert!(matches!(waits.complete(&Completion::new(ended.token(), 1)), Delivery::Stale));
        assert_eq!(waits.state(later), WaitState::Waiting);
        drop(waits.remove_if_current(ended));
        assert!(waits.is_current(later));
    }
}
