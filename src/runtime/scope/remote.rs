//! Cancelling a scope from other threads.

use super::ReasonKind;
use crate::runtime::{Core, RunId, inbox};
use std::{num::NonZeroU64, panic::Location};

/// Cancels a scope from any thread. Made by [`Scope::remote`](super::Scope::remote).
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

    fn cancel_at(
        &self,
        kind: ReasonKind,
        message: Option<String>,
        location: &'static Location<'static>,
    ) -> bool {
        let (run, scope) = (self.run, self.scope);
        inbox::of(self.executor).push(inbox::Message::Run(Box::new(move |core: &Core| {
            if core.run() == run {
                core.cancel_remote(scope, kind, message, location);
            }
        })))
    }
}
