//! The task of one connection, and what becomes of its error.

use super::{
    places::count,
    server::{Server, Settled},
};
use crate::{error::AsError, runtime::text_of};
use pin_project_lite::pin_project;
use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
};

pin_project! {
    /// The future of a handler, with what the server makes of its end.
    pub(super) struct Connection<'scope, F, E> {
        #[pin]
        future: Option<F>,
        server: &'scope Server<'scope, E>,
        as_error: AsError<E>,
    }

    impl<F, E> PinnedDrop for Connection<'_, F, E> {
        fn drop(this: Pin<&mut Self>) {
            this.server.places.give_back();
        }
    }
}

impl<'scope, F, E> Connection<'scope, F, E> {
    pub(super) fn new(server: &'scope Server<'scope, E>, as_error: AsError<E>, future: Option<F>) -> Self {
        server.places.take();
        Self { future, server, as_error }
    }
}

impl<F: Future<Output = Result<(), E>>, E> Future for Connection<'_, F, E> {
    type Output = Result<(), E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let server = *this.server;
        if !server.catches_panics {
            let Some(future) = this.future.as_pin_mut() else { return Poll::Ready(Ok(())) };
            let result = ready!(future.poll(cx));
            return Poll::Ready(server.settle(result, *this.as_error));
        }
        let polled = server.without_panic(|| {
            let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Ready(Ok(())) };
            let result = ready!(future.poll(cx));
            this.future.set(None);
            Poll::Ready(server.settle(result, *this.as_error))
        });
        polled.unwrap_or_else(|| {
            // Half of it may be gone; what is left may panic as well.
            server.without_panic(|| this.future.set(None));
            Poll::Ready(Ok(()))
        })
    }
}

impl<E> Server<'_, E> {
    /// What is left of a handler's result for the group.
    fn settle(&self, result: Result<(), E>, as_error: AsError<E>) -> Result<(), E> {
        let Err(error) = result else { return Ok(()) };
        match Settled::of(as_error(&error)) {
            Settled::Stopped => Err(error),
            Settled::Lost => {
                count(&self.places.lost);
                Ok(())
            }
            Settled::Failed => {
                count(&self.places.failed);
                match &self.on_error {
                    Some(on_error) => on_error(error),
                    None => Err(error),
                }
            }
        }
    }

    /// Does what may panic. `None` if it did, which was told and counted.
    pub(super) fn without_panic<T>(&self, what: impl FnOnce() -> T) -> Option<T> {
        let payload = match catch_unwind(AssertUnwindSafe(what)) {
            Ok(value) => return Some(value),
            Err(payload) => payload,
        };
        count(&self.places.panicked);
        // Not within the macro, which evaluates nothing if nobody logs.
        let text = text_of(payload);
        log::error!("a handler of a connection panicked: {text}");
        None
    }
}
