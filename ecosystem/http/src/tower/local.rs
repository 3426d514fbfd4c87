//! A future that stays on its thread.

use anyio::OnThread;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// A future that stays on its thread, for those who demand `Send`. On another thread it panics.
pub struct LocalFuture<T>(OnThread<Pin<Box<dyn Future<Output = T>>>>);

impl<T> LocalFuture<T> {
    pub(super) fn new(future: impl Future<Output = T> + 'static) -> Self {
        Self(OnThread::new(Box::pin(future)))
    }
}

impl<T> Future for LocalFuture<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl<T> fmt::Debug for LocalFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalFuture").finish_non_exhaustive()
    }
}
