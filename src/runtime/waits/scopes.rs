//! The waits of a scope: a list through the slots, from the scope's node on.

use super::{Marks, WaitKey, WaitKind, WaitState, Waits, slot::ScopeLinks};
use crate::runtime::{Scope, waker::StoredWaker, wheel::NONE};
use anyio_driver::Token;
use std::{ptr, task::Waker};

/// How a wait stands that a waker was set for.
pub(crate) struct Hooked {
    /// Whether it was linked to another scope before, or to none.
    pub(crate) is_new: bool,
    pub(crate) is_cancelled: bool,
}

impl Waits {
    /// Puts a slot that was just given its links at the beginning of the list of its scope.
    #[inline]
    fn put_first(&self, index: u32, scope: &Scope) {
        let next = scope.first_wait();
        scope.set_first_wait(index);
        if let Some(next) = self.slots().get_mut(next as usize) {
            next.scope_previous = index;
        }
    }

    /// Sets who is to be woken by a wait, and links it to this scope and to no other.
    ///
    /// # Safety
    /// As for [`relink`](Self::relink).
    #[inline(always)]
    pub(crate) unsafe fn hook(&self, key: WaitKey, scope: &Scope, waker: &Waker) -> Hooked {
        let slot = self.slot(key);
        if !slot.scope.is_null() || !slot.waker.keep_task_of(waker) {
            // SAFETY: passed on.
            return unsafe { self.hook_again(key, scope, waker) };
        }
        let hooked = Hooked { is_new: true, is_cancelled: slot.state == WaitState::Cancelled };
        slot.link_to(scope);
        self.put_first(key.index(), scope);
        hooked
    }

    /// # Safety
    /// As for [`relink`](Self::relink).
    #[inline(never)]
    unsafe fn hook_again(&self, key: WaitKey, scope: &Scope, waker: &Waker) -> Hooked {
        self.set_waker(key, waker);
        // SAFETY: passed on.
        let is_new = unsafe { self.relink(key, scope) };
        Hooked { is_new, is_cancelled: self.state(key) == WaitState::Cancelled }
    }

    /// Links the wait to this scope and to no other. Tells whether it was linked to another, or to none.
    ///
    /// # Safety
    /// The node stays where it is, and calls [`Waits::move_all`] or [`Waits::detach_all`] before it goes.
    #[inline]
    pub(crate) unsafe fn relink(&self, key: WaitKey, scope: &Scope) -> bool {
        if ptr::eq(self.slot(key).scope, scope) {
            return false;
        }
        self.unlink(key);
        self.slot(key).link_to(scope);
        self.put_first(key.index(), scope);
        true
    }

    /// Unlinks the wait from its scope, if it is linked.
    #[inline]
    pub(crate) fn unlink(&self, key: WaitKey) {
        if self.slot(key).kind != WaitKind::Deadline {
            self.unlink_slot(key.index());
        }
    }

    #[inline]
    fn unlink_slot(&self, index: u32) {
        let links = self.slots()[index as usize].take_links();
        self.close_gap(links);
    }

    /// Links those that stood beside a slot in the list of its scope, if it stood there.
    #[inline]
    pub(super) fn close_gap(&self, links: ScopeLinks) {
        let ScopeLinks { scope, previous, next } = links;
        if scope.is_null() {
            return;
        }
        let slots = self.slots();
        if let Some(next) = slots.get_mut(next as usize) {
            next.scope_previous = previous;
        }
        match slots.get_mut(previous as usize) {
            Some(previous) => previous.scope_next = next,
            // SAFETY: a linked slot's scope is alive: see the contract of the slots.
            None => unsafe { (*scope).set_first_wait(next) },
        }
    }

    /// The scope the wait is linked to.
    ///
    /// # Safety
    /// The reference may be used only as long as the wait stays linked.
    #[inline]
    pub(crate) unsafe fn scope<'a>(&self, key: WaitKey) -> Option<&'a Scope> {
        // SAFETY: a linked slot's scope is alive: see the contract of the slots.
        unsafe { self.slot(key).scope.as_ref() }
    }

    /// Links all waits of a scope that is about to go to another.
    ///
    /// # Safety
    /// As for [`relink`](Self::relink), for that other.
    pub(crate) unsafe fn move_all(&self, from: &Scope, to: &Scope) {
        let slots = self.slots();
        let first = from.first_wait();
        let mut index = first;
        while index != NONE {
            let slot = &mut slots[index as usize];
            slot.scope = to;
            let (last, next) = (index, slot.scope_next);
            if next == NONE {
                slot.scope_next = to.first_wait();
                if let Some(behind) = slots.get_mut(to.first_wait() as usize) {
                    behind.scope_previous = last;
                }
                to.set_first_wait(first);
            }
            index = next;
        }
        from.set_first_wait(NONE);
    }

    /// Unlinks all waits from a scope that is about to go.
    pub(crate) fn detach_all(&self, scope: &Scope) {
        let slots = self.slots();
        let mut index = scope.first_wait();
        while index != NONE {
            let slot = &mut slots[index as usize];
            slot.scope = ptr::null();
            index = slot.scope_next;
        }
        scope.set_first_wait(NONE);
    }

    /// Unlinks everything from every scope, since the executor is about to go and scopes may outlive it.
    pub(crate) fn detach_everything(&self) {
        for slot in self.slots() {
            // SAFETY: a slot's scope is alive: see the contract of the slots.
            if let Some(scope) = unsafe { slot.scope.as_ref() } {
                scope.set_first_wait(NONE);
                slot.scope = ptr::null();
            }
        }
    }

    /// Cancels a hook that nobody is to be woken for.
    pub(crate) fn cancel(&self, key: WaitKey) {
        self.slot(key).state = WaitState::Cancelled;
    }

    /// Says that a wait is the beginning of something new, so that finishing ends it as a cancellation does.
    pub(crate) fn set_idle(&self, key: WaitKey) {
        self.slot(key).marks.insert(Marks::IDLE);
    }

    /// Ends every wait that is linked to this scope and is the beginning of something new. For each waiter that is to be
    /// woken `wake` is called. Called within a change.
    pub(crate) fn end_idle(&self, scope: &Scope, mut wake: impl FnMut(StoredWaker)) {
        let mut index = scope.first_wait();
        while index != NONE {
            let slot = &mut self.slots()[index as usize];
            let next = slot.scope_next;
            if slot.state == WaitState::Waiting && slot.marks.contains(Marks::IDLE) {
                slot.state = WaitState::Cancelled;
                wake(slot.waker.take());
            }
            index = next;
        }
    }

    /// Cancels every wait that is linked to this scope. For each operation that is to be cancelled `cancel` is
    /// called, and for each waiter that is to be woken `wake`. Called within a change, so that neither runs code of users.
    pub(crate) fn cancel_all(
        &self,
        scope: &Scope,
        mut cancel: impl FnMut(Token),
        mut wake: impl FnMut(StoredWaker),
    ) {
        let mut index = scope.first_wait();
        while index != NONE {
            let slot = &mut self.slots()[index as usize];
            let next = slot.scope_next;
            if slot.state == WaitState::Waiting {
                match slot.kind {
                    WaitKind::Operation => {
                        if slot.marks.add(Marks::CANCEL_ASKED) {
                            cancel(Token::new(index, slot.generation));
                        }
                    }
                    WaitKind::Timer => {
                        slot.state = WaitState::Cancelled;
                        let waker = slot.waker.take();
                        self.wheel().remove(self.slots(), index);
                        wake(waker);
                    }
                    WaitKind::Kept | WaitKind::KeptMessages | WaitKind::Piece | WaitKind::Hook => {
                        slot.state = WaitState::Cancelled;
                        wake(slot.waker.take());
                    }
                    WaitKind::Deadline | WaitKind::Orphan | WaitKind::Queued | WaitKind::Free => {}
                }
            }
            index = next;
        }
    }
}
