//! What users ask and tell a scope.

use super::{CancelReason, Deadline, Flags, ReasonKind, RemoteScope, Scope};
use crate::runtime::Core;
use anyio_driver::planted;
use std::{num::NonZeroU64, panic::Location, time::Instant};

impl Scope {
    /// Cancels the scope: every wait in it ends, every checkpoint in it gives [`Cancelled`](crate::Cancelled). Does nothing if it was
    /// cancelled before. May be called before the body has begun, from within it, and from other tasks.
    #[track_caller]
    pub fn cancel(&self) {
        self.cancel_with(ReasonKind::Explicit, None, Location::caller());
    }

    /// Like [`cancel`](Self::cancel), with a text that says why.
    #[track_caller]
    pub fn cancel_because(&self, reason: impl Into<String>) {
        self.cancel_with(ReasonKind::Explicit, Some(reason.into()), Location::caller());
    }

    /// Like [`cancel`](Self::cancel), with a kind and, if there is one, a text.
    #[track_caller]
    pub fn cancel_for(&self, kind: ReasonKind, message: Option<String>) {
        self.cancel_with(kind, message, Location::caller());
    }

    /// Whether this scope itself was cancelled, or its deadline has passed. Scopes further out do not count.
    pub fn cancel_called(&self) -> bool {
        self.has(Flags::CANCELLED)
    }

    /// Whether the body is over and this scope absorbed its cancellation.
    pub fn cancelled_caught(&self) -> bool {
        self.has(Flags::CAUGHT)
    }

    /// Why the scope was cancelled, if it was.
    pub fn reason(&self) -> Option<CancelReason> {
        if !self.cancel_called() {
            return None;
        }
        let reason = self.reason.take();
        let copy = reason.clone();
        self.reason.set(reason);
        copy
    }

    /// When the scope cancels itself, if it does. A time span counts from when the body first waits; asking fixes it.
    pub fn deadline(&self) -> Option<Instant> {
        self.fixed_deadline()
    }

    /// Sets or clears the moment when the scope cancels itself; one that has passed cancels at once. Does nothing
    /// once the scope is cancelled.
    #[track_caller]
    pub fn set_deadline(&self, at: Option<Instant>) {
        if self.cancel_called() {
            return;
        }
        self.deadline.set(at.map_or(Deadline::NEVER, Deadline::at));
        if at.is_some() {
            self.foresee_here(None);
        }
        if !self.is_entered() {
            return;
        }
        Core::try_with(|core| {
            self.disarm(core);
            match at {
                Some(at) if core.now() >= at => self.expire(core),
                _ => self.arm(core),
            }
        });
    }

    /// Says that the deadline is set where this is called, and what for, unless that was said before. Does nothing once the scope
    /// is cancelled.
    #[track_caller]
    pub(crate) fn foresee_here(&self, text: Option<String>) {
        if self.cancel_called() {
            return;
        }
        let before = self.reason.take();
        let text = text.or_else(|| before?.message().map(str::to_owned));
        self.foresee(CancelReason::new(ReasonKind::Deadline, text, Location::caller()));
    }

    /// Says what is the reason when the deadline passes.
    #[inline]
    pub(crate) fn foresee(&self, reason: CancelReason) {
        debug_assert!(!self.cancel_called());
        self.reason.set(Some(reason));
    }

    /// Whether cancellations from further out are kept off.
    pub fn shield(&self) -> bool {
        self.has(Flags::SHIELDED)
    }

    /// Keeps cancellations (and finishing) from further out off, or lets them in again. One that was kept off takes effect when the
    /// shield goes. The scope's own cancellation and deadline work under the shield too.
    pub fn set_shield(&self, on: bool) {
        if self.shield() == on {
            return;
        }
        self.set(Flags::SHIELDED, on);
        if !self.is_entered() {
            return;
        }
        if on {
            self.lift_all_but(Flags::empty());
        } else if let Some(parent) = self.parent().filter(|_| !planted("end of a shield overlooked")) {
            let news = parent.effects().difference(self.flags.get());
            Core::try_with(|core| self.deliver_each(core, news));
        }
    }

    /// A handle with which other threads can cancel this scope, or tell it to finish, as long as its body is under way.
    ///
    /// # Panics
    /// If the body is not under way.
    pub fn remote(&self) -> RemoteScope {
        assert!(
            self.is_entered(),
            "a scope can be cancelled from other threads only while its body is under way"
        );
        Core::with(|core| RemoteScope::new(core.id(), core.run(), self.number(core)))
    }

    /// The number under which an entered scope can be named.
    pub(in crate::runtime) fn number(&self, core: &Core) -> NonZeroU64 {
        debug_assert!(self.is_entered());
        self.remote.get().unwrap_or_else(|| {
            // SAFETY: an entered node stays where it is, and `leave` and `drop` forget the number.
            let number = unsafe { core.register_remote(self) };
            self.remote.set(Some(number));
            number
        })
    }
}
