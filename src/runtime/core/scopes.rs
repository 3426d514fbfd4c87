//! The scope of what is being polled, and the scopes that other threads may name.

use super::Core;
use crate::runtime::{Scope, Standing, TaskKey, WaitKey, WaitState};
use anyio_driver::{Completion, Driver, Token, planted};
use std::{
    collections::HashMap,
    num::NonZeroU64,
    ptr,
    sync::atomic::{AtomicU64, Ordering},
    task::Waker,
};

impl Core {
    /// The scope of what is being polled.
    #[inline]
    pub(crate) fn scope(&self) -> Option<&Scope> {
        // SAFETY: the current scope is set only while its body is being polled, during which it is alive and unmoved.
        unsafe { self.scope.get().as_ref() }
    }

    /// Makes `scope` the current one as long as the guard lives.
    #[inline]
    pub(crate) fn enter_scope<'a>(&'a self, scope: &'a Scope) -> CurrentScope<'a> {
        CurrentScope { core: self, outer: self.scope.replace(scope) }
    }

    #[inline]
    pub(crate) fn scope_is_effective(&self) -> bool {
        self.scope().is_some_and(Scope::is_effective)
    }

    /// A checkpoint: whether it gives [`Cancelled`](crate::Cancelled). Whoever only asks how the scope stands calls
    /// [`scope_is_effective`](Self::scope_is_effective).
    #[inline]
    pub(crate) fn reach_checkpoint(&self) -> bool {
        self.scope().is_some_and(|scope| scope.reach_checkpoint(self))
    }

    /// Links a wait to the scope in which its future is polled now, so that its cancellation reaches it. It may have been
    /// polled in another one before, which is over, or of which the future was taken out. True if the wait is new to the
    /// scope and the scope is cancelled: then the caller has to see to it that the wait ends.
    #[inline]
    pub(crate) fn follow_scope(&self, wait: WaitKey) -> bool {
        self.scope().is_some_and(|scope| {
            // SAFETY: the current scope is entered, so it does not move and detaches its waits before it goes.
            let is_new = unsafe { self.waits.relink(wait, scope) };
            is_new && scope.begin_waiting(self, wait) && !planted("cancellation before a wait overlooked")
        })
    }

    /// The same for a wait that is the beginning of something new. True also if the scope is finishing.
    #[inline]
    pub(crate) fn follow_scope_to_start(&self, wait: WaitKey) -> bool {
        self.scope().is_some_and(|scope| {
            // SAFETY: as above.
            let is_new = unsafe { self.waits.relink(wait, scope) };
            is_new && (scope.begin_waiting(self, wait) || scope.is_finishing())
        })
    }

    /// Has this waker woken by a wait of those that a cancellation takes off, and links it to the scope in which its future is
    /// polled now. True if it is not to be waited for, because that was cancelled.
    #[inline(always)]
    pub(crate) fn wait_on(&self, wait: WaitKey, waker: &Waker) -> bool {
        let Some(scope) = self.scope() else {
            self.waits.set_waker(wait, waker);
            return self.waits.state(wait) == WaitState::Cancelled;
        };
        // SAFETY: as above.
        let hooked = unsafe { self.waits.hook(wait, scope, waker) };
        let is_new = hooked.is_new && !planted("cancellation before a wait overlooked");
        hooked.is_cancelled || is_new && scope.begin_waiting(self, wait)
    }

    /// How a wait stands that is polled again, in the current scope and with this waker. If it is untouched there is nothing to
    /// do but to go on waiting. Not for waits that stand in a queue.
    #[inline]
    pub(crate) fn standing(&self, wait: WaitKey, waker: &Waker) -> Standing {
        self.waits.standing(wait, self.scope.get(), waker)
    }

    /// Asks the driver to cancel an operation.
    #[inline]
    pub(crate) fn cancel_operation(&self, token: Token) {
        self.driver_mut().cancel(token);
    }

    /// Has the driver cancel an operation at once. Gives its completions that are known by that, which nobody else gets.
    pub(in crate::runtime) fn withdraw_operation(&self, token: Token) -> Vec<Completion> {
        let mut completions = Vec::new();
        self.driver_mut().withdraw(token, &mut completions);
        completions
    }

    /// Gives a scope a number under which other threads can name it, never used again in this process: a scope may keep it
    /// beyond its run.
    ///
    /// # Safety
    /// The node stays where it is, and calls `forget_remote` before it goes.
    pub(crate) unsafe fn register_remote(&self, scope: &Scope) -> NonZeroU64 {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let last = LAST.fetch_add(1, Ordering::Relaxed);
        let id = NonZeroU64::MIN.saturating_add(last);
        self.remotes.borrow_mut().scopes.insert(id, scope);
        id
    }

    pub(crate) fn forget_remote(&self, id: NonZeroU64, scope: &Scope) {
        let mut remotes = self.remotes.borrow_mut();
        if remotes.scopes.get(&id).is_some_and(|known| ptr::eq(*known, scope)) {
            remotes.scopes.remove(&id);
        }
    }

    /// The number under which the scope of a child of a group can be named, while that is under way.
    pub(crate) fn number_of_child(&self, task: TaskKey) -> Option<NonZeroU64> {
        let described = self.tasks.describe(task)?;
        // SAFETY: the scope is a part of the child, which is in the table and so alive.
        let scope = unsafe { &*described.scope };
        scope.is_entered().then(|| scope.number(self))
    }

    /// Makes an entered scope that of the whole run, which companions may cancel.
    pub(crate) fn set_own_scope(&self, scope: &Scope) {
        let number = scope.number(self);
        self.remotes.borrow_mut().own = Some(number);
    }

    /// Tells the scope of the whole run something.
    pub(crate) fn tell_run(&self, tell: impl FnOnce(&Scope)) {
        let own = self.remotes.borrow().own;
        if let Some(own) = own {
            self.tell_remote(own, tell);
        }
    }

    /// Whether other threads may have handles of scopes.
    pub(in crate::runtime) fn has_remote_scopes(&self) -> bool {
        let remotes = self.remotes.borrow();
        remotes.scopes.keys().any(|&id| Some(id) != remotes.own)
    }

    /// Calls `tell` with the scope of this number, if its body is still under way.
    pub(crate) fn tell_remote(&self, id: NonZeroU64, tell: impl FnOnce(&Scope)) {
        let scope = self.remotes.borrow().scopes.get(&id).copied().unwrap_or(ptr::null());
        // SAFETY: a registered node is alive: it is forgotten before it goes.
        if let Some(scope) = unsafe { scope.as_ref() } {
            tell(scope);
        }
    }
}

/// The scopes that other threads may name.
#[derive(Default)]
pub(super) struct Remotes {
    /// That of the whole run.
    own: Option<NonZeroU64>,
    scopes: HashMap<NonZeroU64, *const Scope>,
}

/// Makes the outer scope current again when dropped.
pub(crate) struct CurrentScope<'a> {
    core: &'a Core,
    outer: *const Scope,
}

impl Drop for CurrentScope<'_> {
    #[inline]
    fn drop(&mut self) {
        self.core.scope.set(self.outer);
    }
}
