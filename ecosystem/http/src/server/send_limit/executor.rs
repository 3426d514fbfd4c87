//! Tasks of streams, which end when their clients are too slow.

use super::{
    super::gathering::Gathered,
    streams::{Begun, Stream, Streams},
};
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
    pub(in super::super) gathered: Rc<dyn Gathered>,
}

impl<'scope, F: Future<Output = ()> + 'scope> Executor<F> for StreamExecutor<'scope, '_> {
    fn execute(&self, future: F) {
        // hyper starts the task of a stream right after it has handed its request on.
        let begun = self.streams.take_begun();
        if begun == Begun::Nothing {
            self.group.start_soon(future);
            return;
        }
        let task = StreamTask { future: Some(future), streams: self.streams.clone(), stream: None };
        match begun {
            // What is answered leaves with what the connection has to send now. hyper looks for the next request afterwards, and
            // sees what the connection would be woken for.
            Begun::Answered => {
                drop(self.group.start_as_part(task));
                self.gathered.look_again();
            }
            _ => drop(self.group.start_soon(task)),
        }
    }
}

pin_project! {
    /// The task of a stream.
    struct StreamTask<F> {
        // Whose end resets the stream.
        #[pin]
        future: Option<F>,
        streams: Rc<Streams>,
        // Once there is a body.
        stream: Option<Stream>,
    }
}

impl<F: Future<Output = ()>> Future for StreamTask<F> {
    type Output = ();

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        match this.stream {
            None => this.streams.await_answer(),
            Some(stream) if stream.is_to_end() => this.future.set(None),
            Some(_) => {}
        }
        let Some(future) = this.future.as_pin_mut() else { return Poll::Ready(()) };
        let polled = future.poll(cx);
        if polled.is_pending() {
            if this.stream.is_none() {
                *this.stream = this.streams.answered();
            }
            if let Some(stream) = this.stream {
                stream.set_task(cx.waker());
            }
        }
        polled
    }
}
