//! The tree of scopes.
//!
//! # Contract
//! A [`Scope`] is a node in a tree: its parent is the scope that was current when its body was first polled. Nodes
//! lie inside pinned futures or behind an `Rc`, and never move once they are entered. The pointers between them:
//!
//! - `parent` is set when a node is entered. Until the node is linked it is used only during the poll in which that
//!   happened, and cleared should the body panic in it. A node is linked into its parent's list of children when its
//!   body first returns `Pending`, or that of a node below it does; from then on the parent changes the pointer before it
//!   goes, and the node takes itself off the list before it goes.
//! - The waits of a node point to it.
//!
//! A future may outlive the scope in which it was polled: it was only borrowed there, or it was forgotten. So a node
//! that goes hands the nodes and waits that are left to its own parent: they stay within the scopes further out. One
//! without a parent, or after its run, lets them go. A node is always where its body is polled ([`Scope::follow`]): one that
//! was let go, began outside of every scope or is polled in another one moves there.
//!
//! So every pointer leads to a living node. All of it belongs to one thread; nothing here runs code of users while the
//! tree changes: see [`Core::change`].

mod cancelling;
mod control;
mod deadline;
mod deadlines;
mod finishing;
mod observing;
mod remote;
mod stopping;

pub use crate::error::{CancelReason, ReasonKind};
pub(crate) use deadline::Deadline;
pub use remote::RemoteScope;

use super::{Core, NO_WAIT, WaitKey, clock};
use anyio_driver::planted;
use deadline::When;
use finishing::Finish;
use std::{cell::Cell, fmt, marker::PhantomPinned, num::NonZeroU64, ptr, time::Duration};
pub(crate) use stopping::{Absorbed, Stopping};

bitflags::bitflags! {
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Flags: u16 {
        /// The body has been polled and is not over.
        const ENTERED = 1;
        /// The node is in its parent's list of children, or has no parent.
        const LINKED = 2;
        /// This scope itself was cancelled.
        const CANCELLED = 4;
        const SHIELDED = 8;
        /// This scope, or one outside of it without a shield between, was cancelled.
        const EFFECTIVE = 16;
        /// The body's cancellation was absorbed here.
        const CAUGHT = 32;
        /// Somebody was warned that cancellations are being swallowed.
        const WARNED = 64;
        /// This scope itself was told to finish.
        const FINISH = 128;
        /// This scope, or one outside of it without a shield between, was told to finish.
        const FINISHING = 256;
        /// What is in it is idle: finishing cancels it.
        const IDLE = 512;
        /// Somebody looks on as what is within reaches its checkpoints.
        const OBSERVED = 1024;
    }
}

/// A region of the program that can be cancelled: the body of a [`CancelScope`](crate::CancelScope), of a task
/// group, or one child of a group.
///
/// Cancelling is a state, not an event: as long as a task is in a cancelled scope every checkpoint it comes to gives
/// [`Cancelled`](crate::Cancelled). It reaches everything inside, down to shields.
///
/// [Finishing](Self::finish) is the stage before: nothing new starts, and what is busy goes on for a while.
pub struct Scope {
    flags: Cell<Flags>,
    parent: Cell<*const Scope>,
    first_child: Cell<*const Scope>,
    previous: Cell<*const Scope>,
    next: Cell<*const Scope>,
    first_wait: Cell<u32>,
    deliveries: Cell<u16>,
    deadline: Cell<Deadline>,
    timer: Cell<Option<WaitKey>>,
    /// The number under which other threads may name the scope.
    remote: Cell<Option<NonZeroU64>>,
    /// When it is to have finished, if it was told to.
    finish: Cell<Option<Box<Finish>>>,
    /// Why it was cancelled, or what will be the reason when the deadline passes.
    reason: Cell<Option<CancelReason>>,
    _pinned: PhantomPinned,
}

const _: () = assert!(size_of::<Scope>() == 88);

/// After so many deliveries of its cancellation to code that goes on all the same a scope warns.
pub(super) const DELIVERIES_BEFORE_WARNING: u16 = 1000;

impl Scope {
    #[inline]
    pub(crate) const fn new_node(deadline: Deadline, shielded: bool) -> Self {
        Self::with_flags(deadline, if shielded { Flags::SHIELDED } else { Flags::empty() })
    }

    /// A node that finishing cancels.
    pub(crate) const fn new_idle() -> Self {
        Self::with_flags(Deadline::NEVER, Flags::IDLE)
    }

    #[inline]
    const fn with_flags(deadline: Deadline, flags: Flags) -> Self {
        Self {
            flags: Cell::new(flags),
            parent: Cell::new(ptr::null()),
            first_child: Cell::new(ptr::null()),
            previous: Cell::new(ptr::null()),
            next: Cell::new(ptr::null()),
            first_wait: Cell::new(NO_WAIT),
            deliveries: Cell::new(0),
            deadline: Cell::new(deadline),
            timer: Cell::new(None),
            remote: Cell::new(None),
            finish: Cell::new(None),
            reason: Cell::new(None),
            _pinned: PhantomPinned,
        }
    }

    #[inline]
    fn has(&self, flag: Flags) -> bool {
        self.flags.get().contains(flag)
    }

    #[inline]
    fn set(&self, flag: Flags, on: bool) {
        let mut flags = self.flags.get();
        flags.set(flag, on);
        self.flags.set(flags);
    }

    #[inline]
    fn parent(&self) -> Option<&Scope> {
        // SAFETY: the parent is alive: see the contract.
        unsafe { self.parent.get().as_ref() }
    }

    /// The scope and those further out, the innermost first.
    pub(crate) fn and_those_around(&self) -> impl Iterator<Item = &Scope> {
        std::iter::successors(Some(self), |scope| scope.parent())
    }

    #[inline]
    pub(crate) fn first_wait(&self) -> u32 {
        self.first_wait.get()
    }

    #[inline]
    pub(crate) fn set_first_wait(&self, wait: u32) {
        self.first_wait.set(wait);
    }

    // ---- being entered and left ----

    /// Whether the body is under way.
    pub(crate) fn is_entered(&self) -> bool {
        self.has(Flags::ENTERED)
    }

    /// Makes the node a child of `parent`, or a root.
    ///
    /// # Safety
    /// The node does not move from here on until it is dropped, and `parent` lives as long as the current poll. Before
    /// that ends the node is [linked](Self::link), has [left](Self::leave) or has [forgotten](Self::forget_parent) it.
    #[inline]
    pub(crate) unsafe fn enter(&self, core: &Core, parent: Option<&Scope>) {
        let mut flags = self.flags.get() | Flags::ENTERED;
        // The scope may have been entered before, somewhere else.
        flags.remove(Flags::CAUGHT.union(Flags::EFFECTIVE).union(Flags::FINISHING));
        if parent.is_none() {
            flags |= Flags::LINKED;
        }
        self.flags.set(flags);
        self.parent.set(parent.map_or(ptr::null(), ptr::from_ref));
        let deadline = self.deadline.get();
        if deadline.is_empty_span() || deadline.is_moment() {
            self.expire_if_passed(core);
        }
        const STOPPED: Flags = Flags::CANCELLED.union(Flags::FINISH).union(Flags::IDLE);
        if self.flags.get().intersects(STOPPED) {
            self.enter_stopped(core);
        }
    }

    /// The same for a node that was just made, without a deadline.
    ///
    /// # Safety
    /// As for [`enter`](Self::enter).
    #[inline(always)]
    pub(crate) unsafe fn enter_anew(&self, parent: &Scope) {
        debug_assert!(self.flags.get().is_empty() && self.deadline.get().is_never());
        self.flags.set(Flags::ENTERED);
        self.parent.set(parent);
    }

    /// What was told to end before its body began is to end from the beginning on.
    fn enter_stopped(&self, core: &Core) {
        if self.has(Flags::IDLE)
            && !self.has(Flags::SHIELDED)
            && self.parent().is_some_and(Scope::is_finishing)
        {
            self.set(Flags::CANCELLED, true);
        }
        if self.has(Flags::CANCELLED) {
            self.set(Flags::EFFECTIVE, true);
        }
        if self.has(Flags::FINISH) {
            self.set(Flags::FINISHING, true);
            self.begin_grace(core);
        }
    }

    #[cold]
    fn expire_if_passed(&self, core: &Core) {
        let passed = match self.deadline.get().when() {
            When::Never => false,
            When::After(delay) => delay.is_zero(),
            When::At(at) => core.now() >= at,
        };
        if passed {
            self.expire(core);
        }
    }

    /// Gives an entered node that was let go, or whose body panicked when it was first polled, its place in the tree again.
    ///
    /// # Safety
    /// As for [`enter`](Self::enter).
    #[inline]
    pub(crate) unsafe fn find_parent(&self, core: &Core, parent: &Scope) {
        if !self.has(Flags::LINKED) {
            // SAFETY: the caller's promise.
            unsafe { self.move_within(core, parent) };
        }
    }

    /// Enters the node at the first poll of its body, and later sees to it that it is where the body is polled: it may have
    /// been polled first outside of every scope, or in one out of which the future was taken.
    ///
    /// # Safety
    /// As for [`enter`](Self::enter), with the current scope as the parent.
    #[inline]
    pub(crate) unsafe fn follow(&self, core: &Core) {
        let current = core.scope();
        // SAFETY: the caller's promise, and the current scope is entered.
        unsafe {
            match current {
                _ if !self.is_entered() => self.enter(core, current),
                Some(current) if !ptr::eq(self.parent.get(), current) => self.move_within(core, current),
                _ => {}
            }
        }
    }

    /// # Safety
    /// As for [`enter`](Self::enter).
    #[cold]
    unsafe fn move_within(&self, core: &Core, parent: &Scope) {
        // A child that is being started lies in the scope of who starts it; if that is moved into the child and polled there,
        // both stay where they are.
        if parent.and_those_around().any(|outer| ptr::eq(outer, self)) {
            return;
        }
        // SAFETY: the caller's promise.
        unsafe { self.move_to(core, parent) };
    }

    /// Gives up the parent of a node that is not linked, because the poll is over in which that may be used.
    pub(crate) fn forget_parent(&self) {
        if !self.has(Flags::LINKED) {
            self.parent.set(ptr::null());
        }
    }

    /// Takes the node into its parent's list and arms its deadline; does nothing if that has been done.
    #[inline]
    pub(crate) fn link(&self, core: &Core) {
        if !self.deadline.get().is_never()
            && self.timer.get().is_none_or(|timer| !core.waits().is_current(timer))
        {
            self.arm(core);
        }
        if !self.has(Flags::LINKED) {
            self.link_to_parent(core);
        }
    }

    /// Takes the node into its parent's list, and that into the one above it: what is cancelled further out finds the node by way
    /// of all those between, whose own polls may go on for a while.
    fn link_to_parent(&self, core: &Core) {
        let mut node = self;
        loop {
            let parent = node.parent();
            node.link_to(parent, core);
            match parent {
                Some(parent) if !parent.has(Flags::LINKED) && !planted("scope out of reach") => node = parent,
                _ => return,
            }
        }
    }

    fn link_to(&self, parent: Option<&Scope>, core: &Core) {
        self.set(Flags::LINKED, true);
        let Some(parent) = parent else { return };
        let next = parent.first_child.replace(self);
        self.previous.set(ptr::null());
        self.next.set(next);
        // SAFETY: siblings in the list are alive: see the contract.
        if let Some(next) = unsafe { next.as_ref() } {
            next.previous.set(self);
        }
        let flags = self.flags.get();
        if !flags.contains(Flags::SHIELDED) {
            let news = parent.effects().difference(flags);
            if !news.is_empty() {
                self.deliver_each(core, news);
            }
        }
    }

    fn unlink_from_parent(&self) {
        if !self.has(Flags::LINKED) {
            return;
        }
        self.set(Flags::LINKED, false);
        let (previous, next) = (self.previous.replace(ptr::null()), self.next.replace(ptr::null()));
        // SAFETY: siblings in the list are alive: see the contract.
        let (previous_node, next_node) = unsafe { (previous.as_ref(), next.as_ref()) };
        if let Some(node) = next_node {
            node.previous.set(previous);
        }
        match (previous_node, self.parent()) {
            (Some(node), _) => node.next.set(next),
            (None, Some(parent)) => parent.first_child.set(next),
            (None, None) => {}
        }
    }

    /// Hangs the node under another parent, with all that is below it.
    ///
    /// # Safety
    /// As for [`enter`](Self::enter).
    pub(crate) unsafe fn move_to(&self, core: &Core, parent: &Scope) {
        self.unlink_from_parent();
        self.parent.set(parent);
        if !self.has(Flags::SHIELDED) {
            self.lift_all_but(parent.effects());
        }
        self.link_to_parent(core);
    }

    /// The body is over: takes the node out of the tree.
    #[inline]
    pub(crate) fn leave(&self, core: &Core) {
        if self.has(Flags::LINKED) || self.has_others() {
            return core.change(|core| self.leave_others(core));
        }
        self.end();
    }

    /// The same, if nothing leads to the node. Tells whether that was so.
    #[inline]
    pub(crate) fn leave_if_alone(&self) -> bool {
        let is_alone = !self.has(Flags::LINKED) && !self.has_others();
        if is_alone {
            self.end();
        }
        is_alone
    }

    #[inline]
    fn end(&self) {
        self.parent.set(ptr::null());
        self.set(Flags::ENTERED, false);
    }

    /// Whether anything in the tree, in the slots or in the executor may point to a node that is not linked.
    #[inline]
    fn has_others(&self) -> bool {
        self.timer.get().is_some()
            || self.remote.get().is_some()
            || !self.first_child.get().is_null()
            || self.first_wait.get() != NO_WAIT
    }

    /// Takes the node out of everything that may point to it; those who wait in it are woken afterwards.
    fn leave_others(&self, core: &Core) {
        self.disarm(core);
        self.unlink_from_parent();
        if !self.first_child.get().is_null() || self.first_wait.get() != NO_WAIT {
            self.hand_over(core);
        }
        if let Some(remote) = self.remote.take() {
            core.forget_remote(remote, self);
        }
        self.end();
    }

    /// Takes the node out of the tree, also after its run is over. Then it has no waits: the executor took them off.
    pub(crate) fn leave_anywhere(&self) {
        if Core::try_with(|core| self.leave(core)).is_none() {
            self.unlink_from_parent();
            self.let_children_go();
            self.timer.set(None);
            self.remote.set(None);
            self.end();
        }
    }

    /// Hands over what outlives the node.
    #[cold]
    fn hand_over(&self, core: &Core) {
        let Some(parent) = self.parent() else {
            self.let_children_go();
            return core.waits().detach_all(self);
        };
        // SAFETY: children in the list are alive: see the contract.
        while let Some(child) = unsafe { self.first_child.get().as_ref() } {
            // SAFETY: it is entered, so it does not move, and it is linked at once.
            unsafe { child.move_to(core, parent) };
        }
        // SAFETY: the parent is entered, so it does not move, and hands them over before it goes.
        unsafe { core.waits().move_all(self, parent) };
        let effects = parent.effects();
        if effects.contains(Flags::FINISHING) {
            core.finish_waits(parent);
        }
        if effects.contains(Flags::EFFECTIVE) {
            core.cancel_waits(parent);
        }
    }

    /// Whether dropping the node does anything.
    #[inline]
    pub(crate) fn has_something_to_drop(&self) -> bool {
        // SAFETY: they are looked at only, and nothing runs meanwhile.
        let has_values = unsafe { (*self.finish.as_ptr()).is_some() || (*self.reason.as_ptr()).is_some() };
        has_values || self.is_entered()
    }

    fn let_children_go(&self) {
        let mut child = self.first_child.replace(ptr::null());
        // SAFETY: children in the list are alive: see the contract.
        while let Some(node) = unsafe { child.as_ref() } {
            child = node.next.replace(ptr::null());
            node.previous.set(ptr::null());
            node.parent.set(ptr::null());
            node.set(Flags::LINKED, false);
            node.lift_all_but(Flags::empty());
        }
    }

    #[track_caller]
    pub(crate) fn set_timeout(&self, timeout: Duration) {
        if self.is_entered() {
            self.set_deadline(clock::now().checked_add(timeout));
        } else {
            self.deadline.set(Deadline::after(timeout));
            self.foresee_here(None);
        }
    }
}

impl Drop for Scope {
    #[inline]
    fn drop(&mut self) {
        if self.is_entered() {
            self.leave_anywhere();
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("cancel_called", &self.cancel_called())
            .field("finish_called", &self.finish_called())
            .field("shield", &self.shield())
            .field("reason", &self.reason())
            .finish_non_exhaustive()
    }
}
