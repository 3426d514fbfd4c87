//! Receiving as a `futures_core::Stream`.

use crate::{
    error::Result,
    streams::{AttributeRequest, Attributes, ObjectReceiveStream, repeated::Repeated, shared::Shared},
};
use futures_core::Stream;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The objects of a stream as a [`futures_core::Stream`]. Receiving allocates nothing. (Of a channel
/// [`into_stream`](crate::streams::memory::ReceiveStream::into_stream) does the same.)
///
/// It ends when the stream ends. In a cancelled scope it gives [`Error::Cancelled`](crate::Error::Cancelled), and may go on
/// afterwards, as after other errors.
///
/// # Cancel safety
/// No object is lost when the future that asks for the next is dropped: what had begun goes on when it is asked for again.
pub struct ObjectItems<R: ObjectReceiveStream> {
    // Dropped before the stream.
    receiving: Repeated<(), Result<Option<R::Item>>>,
    stream: Shared<R>,
    ended: bool,
}

// The stream lies elsewhere.
impl<R: ObjectReceiveStream> Unpin for ObjectItems<R> {}

impl<R: ObjectReceiveStream + 'static> ObjectItems<R> {
    /// Gives the objects of this stream.
    pub fn new(stream: R) -> Self {
        let stream = Shared::new(stream);
        let share = stream.share();
        let receiving =
            Repeated::new(move |()| share.share().with(async |stream: &mut R| stream.receive().await));
        Self { receiving, stream, ended: false }
    }

    /// The stream. A receive in flight is dropped, which loses nothing: the stream gives what it would have brought.
    pub fn into_inner(self) -> R {
        drop(self.receiving);
        self.stream.into_inner()
    }
}

impl<R: ObjectReceiveStream + 'static> Stream for ObjectItems<R> {
    type Item = Result<R::Item>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<R::Item>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if !self.receiving.is_running() {
            self.receiving.begin(());
        }
        let received = ready!(self.receiving.poll(cx));
        self.ended = matches!(received, Ok(None));
        Poll::Ready(received.transpose())
    }
}

/// Those of the stream. They are not known while a receive is in flight, as after a future that waited for one was dropped.
impl<R: ObjectReceiveStream + Attributes> Attributes for ObjectItems<R> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.stream.provide(request);
    }
}

impl<R: ObjectReceiveStream> fmt::Debug for ObjectItems<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectItems")
            .field("receiving", &self.receiving.is_running())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
