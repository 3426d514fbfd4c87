//! Cancelling what others wait for by polling.

use anyio::{Cancelled, Foreign, OnThread, foreign};
use std::{
    future::{Pending, pending},
    pin::Pin,
    task::{Context, Poll},
};

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
