//! Streams of messages that stay on their thread.

use crate::{call::Call, produced::Produced};
use anyio::OnThread;
use futures_core::Stream;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};
use tonic::Status;

/// A stream that stays on its thread, for tonic, which demands `Send` of those of messages. On another thread it panics.
///
/// It is made of any stream, or by [`produce`](crate::produce) of a function that sends the messages.
///
/// ```
/// use anyio::{Result, streams::memory};
/// use anyio_tonic::LocalStream;
///
/// # anyio::run(async || -> Result<()> {
/// let (sender, receiver) = memory::channel::<String>(1);
/// fn demands_send<S: Send>(stream: S) -> S {
///     stream
/// }
/// let stream = demands_send(LocalStream::new(receiver.into_stream()));
/// # drop((sender, stream));
/// # Ok(()) }).unwrap();
/// ```
pub struct LocalStream<T>(OnThread<Inner<T>>);

/// What a method of a server answers with where it sends several messages.
///
/// It is the type to name in the implementation of a service, as in `type SayManyTimesStream = MessageStream<HelloReply>`.
pub type MessageStream<M> = LocalStream<Result<M, Status>>;

struct Inner<T> {
    source: Source<T>,
    has_begun: bool,
}

enum Source<T> {
    Stream(Pin<Box<dyn Stream<Item = T>>>),
    Produced(Produced<T>),
}

impl<T> LocalStream<T> {
    /// Of a stream, which is first polled when the messages are asked for.
    pub fn new(stream: impl Stream<Item = T> + 'static) -> Self {
        Self::of(Source::Stream(Box::pin(stream)))
    }

    pub(crate) fn of_produced(produced: Produced<T>) -> Self {
        Self::of(Source::Produced(produced))
    }

    fn of(source: Source<T>) -> Self {
        Self(OnThread::new(Inner { source, has_begun: false }))
    }
}

impl<T> Stream for LocalStream<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let inner = &mut *self.0;
        if !inner.has_begun {
            if Call::current().is_some_and(|call| call.is_probed()) {
                // Polled in earnest soon, by another task. What composes streams polls again only those that were woken.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            inner.has_begun = true;
        }
        match &mut inner.source {
            Source::Stream(stream) => stream.as_mut().poll_next(cx),
            Source::Produced(produced) => produced.poll_next(cx),
        }
    }
}

impl<T> fmt::Debug for LocalStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalStream").finish_non_exhaustive()
    }
}
