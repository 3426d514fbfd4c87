//! Ending a scope from other threads.

use super::{ReasonKind, Scope};
use crate::runtime::{Core, RunId, inbox};
use std::{num::NonZeroU64, panic::Location, time::Duration};

/// Cancels a scope from any thread, or tells it to finish. Made by [`Scope::remote`](super::Scope::remote).
///
/// It stays valid after the scope is over; then it does nothing.
#[derive(Debug, Clone)]
pub struct RemoteScope {
    executor: u16,
    run: RunId,
    scope: NonZeroU64,
}

impl RemoteScope {
    pub(crate) fn new(executor: u16, run: RunId, scope: NonZeroU64) -> Self {
        Self { executor, run, scope }
    }

    /// Cancels the scope as soon as its thread gets to it. Tells whether its run is still under way.
    #[track_caller]
    pub fn cancel(&self) -> bool {
        self.cancel_at(ReasonKind::Explicit, None, Location::caller())
    }

    /// Like [`cancel`](Self::cancel), with a text that says why.
    #[track_caller]
    pub fn cancel_because(&self, reason: impl Into<String>) -> bool {
        self.cancel_at(ReasonKind::Explicit, Some(reason.into()), Location::caller())
    }

    /// Like [`cancel`](Self::cancel), with a kind and, if there is one, a text.
    #[track_caller]
    pub fn cancel_for(&self, kind: ReasonKind, message: Option<String>) -> bool {
        self.cancel_at(kind, message, Location::caller())
    }

    /// Tells the scope to [finish](super::Scope::finish) as soon as its thread gets to it; `grace` counts from then. Tells
    /// whether its run is still under way.
    #[track_caller]
    pub fn finish(&self, grace: Duration) -> bool {
        let location = Location::caller();
        self.tell(move |scope| scope.finish_at(grace, location))
    }

    fn cancel_at(
        &self,
        kind: ReasonKind,
        message: Option<String>,
        location: &'static Location<'static>,
    ) -> bool {
        self.tell(move |scope| scope.cancel_with(kind, message, location))
    }

    fn tell(&self, tell: impl FnOnce(&Scope) + Send + 'static) -> bool {
        let (run, scope) = (self.run, self.scope);
        inbox::of(self.executor).push(inbox::Message::Run(Box::new(move |core: &Core| {
            if core.run() == run {
                core.tell_remote(scope, tell);
            }
        })))
    }
}
