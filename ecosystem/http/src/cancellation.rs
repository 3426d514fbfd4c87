//! Cancelling what others wait for by polling.

use anyio::{Cancelled, Foreign, OnThread, foreign, lowlevel::is_cancelled};
use std::{
    future::{Pending, pending},
    pin::Pin,
    task::{Context, Poll},
};

/// What has failed in a cancelled scope: mostly because the connection is cancelled as well, so that it is no error there. It is
/// kept for whoever goes on in another scope.
pub(crate) struct Failure<E>(Option<E>);

impl<E> Default for Failure<E> {
    fn default() -> Self {
        Self(None)
    }
}

impl<E> Failure<E> {
    /// Polls for something, unless an error was kept from before. An error in a cancelled scope is kept, and nothing is ready.
    pub(crate) fn keep<T>(&mut self, poll: impl FnOnce() -> Poll<Result<T, E>>) -> Poll<Result<T, E>> {
        let polled = self.0.take().map_or_else(poll, |error| Poll::Ready(Err(error)));
        match polled {
            Poll::Ready(Err(error)) if is_cancelled() => {
                self.0 = Some(error);
                Poll::Pending
            }
            polled => polled,
        }
    }
}

impl<E> std::fmt::Debug for Failure<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Failure").field(&self.0.is_some()).finish()
    }
}

/// Notices that the scope is cancelled in which something is polled that knows nothing of scopes, such as a body of
/// hyper's.
#[derive(Default)]
pub(crate) struct CancellationWatch(Option<OnThread<Foreign<Pending<()>>>>);

impl CancellationWatch {
    /// Gives what was polled, or the cancellation if that is pending and the scope is cancelled. Else the task is woken
    /// when it is.
    pub(crate) fn check<T>(&mut self, polled: Poll<T>, cx: &mut Context<'_>) -> Poll<Result<T, Cancelled>> {
        if let Poll::Ready(value) = polled {
            self.0 = None;
            return Poll::Ready(Ok(value));
        }
        let watching = self.0.get_or_insert_with(|| OnThread::new(foreign(pending())));
        match Pin::new(watching).poll(cx) {
            Poll::Ready(Err(cancelled)) => {
                self.0 = None;
                Poll::Ready(Err(cancelled))
            }
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }
}

impl std::fmt::Debug for CancellationWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancellationWatch").finish_non_exhaustive()
    }
}
