//! Tasks of streams, which end when their clients are too slow.

use super::streams::{Stream, Streams};
use anyio::{Error, TaskGroup};
use hyper::rt::Executor;
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// Starts hyper's tasks as children of a group.
#[derive(Clone)]
pub(in super::super) struct StreamExecutor<'scope, 'env> {
    pub(in super::super) group: &'scope TaskGroup<'scope, 'env, Error>,
    pub(in super::super) streams: Rc<Streams>,
}

impl<'scope, F: Future<Output = ()> + 'scope> Executor<F> for StreamExecutor<'scope, '_> {
    fn execute(&self, future: F) {
        // hyper starts the task of a stream right after it has handed its request on.
        match self.streams.take_begun() {
            Some(stream) => drop(self.group.start_soon(StreamTask { future: Some(future), stream })),
            None => drop(self.group.start_soon(future)),
        }
    }
}

pin_project! {
    /// The task of a stream.
    struct StreamTask<F> {
        // Whose end resets the stream.
        #[pin]
        future: Option<F>,
        stream: Stream,
    }
}

impl<F: Future<Output = ()>> Future for StreamTask<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if this.stream.is_to_end() {
            this.future.set(None);
        }
        match this.future.as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Ready(()),
        }
    }
}
