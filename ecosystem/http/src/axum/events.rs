//! Server-sent events.

use anyio::{
    Error, OnThread, Result, Sleep, sleep,
    streams::{
        ObjectReceiveStream,
        memory::{self, ReceiveStream, SendStream},
        objects::ObjectItems,
    },
};
use axum::response::sse::Event;
use futures_core::Stream;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

/// Makes events of those that come from a stream, for axum's [`Sse`](axum::response::sse::Sse).
///
/// ```
/// use anyio::streams::broadcast;
/// use anyio_http::axum::{Events, events};
/// use axum::response::{IntoResponse, sse::{Event, Sse}};
/// use std::time::Duration;
///
/// async fn news(stories: anyio::streams::memory::ReceiveStream<Event>) -> impl IntoResponse {
///     Sse::new(events(stories).keep_alive(Duration::from_secs(15)))
/// }
/// # let _ = news;
/// ```
pub fn events<R: ObjectReceiveStream<Item = Event> + 'static>(stream: R) -> Events<ObjectItems<R>> {
    Events { inner: OnThread::new(ObjectItems::new(stream)), keep_alive: None }
}

/// Makes events of what a function sends, for axum's [`Sse`](axum::response::sse::Sse). It runs as long as the client
/// listens, and is dropped with the answer.
///
/// ```
/// use anyio_http::axum::produce_events;
/// use axum::response::{IntoResponse, sse::{Event, Sse}};
/// use std::time::Duration;
///
/// async fn clock() -> impl IntoResponse {
///     Sse::new(produce_events(async |events| {
///         for second in 0.. {
///             events.send(Event::default().id(second.to_string()).data("tick")).await?;
///             anyio::sleep(Duration::from_secs(1)).await?;
///         }
///         Ok(())
///     }))
/// }
/// # let _ = clock;
/// ```
pub fn produce_events(
    producer: impl AsyncFnOnce(&EventSender) -> Result<()> + 'static,
) -> Events<impl Stream<Item = Result<Event>> + Unpin> {
    let (sender, events) = memory::channel(0);
    let sender = EventSender(sender);
    let produced = Produced {
        producer: Some(Box::pin(async move { producer(&sender).await })),
        failure: None,
        events: ObjectItems::new(events),
    };
    Events { inner: OnThread::new(produced), keep_alive: None }
}

/// Where the function of [`produce_events`] sends its events.
#[derive(Debug)]
pub struct EventSender(SendStream<Event>);

impl EventSender {
    /// Sends an event, once the client has taken those before it.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if the scope is cancelled.
    ///
    /// # Cancel safety
    /// The event is not sent.
    pub async fn send(&self, event: Event) -> Result<()> {
        self.0.send(event).await
    }
}

struct Produced {
    /// `None` once it has ended.
    producer: Option<Pin<Box<dyn Future<Output = Result<()>>>>>,
    /// What comes after the last of the events.
    failure: Option<Error>,
    events: ObjectItems<ReceiveStream<Event>>,
}

impl Stream for Produced {
    type Item = Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Event>>> {
        loop {
            match Pin::new(&mut self.events).poll_next(cx) {
                Poll::Ready(None) => return Poll::Ready(self.failure.take().map(Err)),
                Poll::Ready(event) => return Poll::Ready(event),
                Poll::Pending => {}
            }
            let Some(producer) = &mut self.producer else { return Poll::Pending };
            match producer.as_mut().poll(cx) {
                Poll::Ready(ended) => {
                    // Its sender goes with it, so the events have an end. The last of them may still lie there.
                    self.producer = None;
                    self.failure = ended.err();
                }
                Poll::Pending => return Pin::new(&mut self.events).poll_next(cx),
            }
        }
    }
}

/// A stream of events. Made by [`events`] and [`produce_events`].
pub struct Events<S> {
    inner: OnThread<S>,
    keep_alive: Option<KeepAlive>,
}

struct KeepAlive {
    interval: Duration,
    sleep: OnThread<Sleep>,
}

impl<S> Events<S> {
    /// Sends a comment after each such time without an event, so that nobody on the way takes the connection for dead.
    #[must_use]
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = Some(KeepAlive { interval, sleep: OnThread::new(sleep(interval)) });
        self
    }
}

impl<S: Stream<Item = Result<Event>> + Unpin> Stream for Events<S> {
    type Item = Result<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Event>>> {
        let polled = Pin::new(&mut *self.inner).poll_next(cx);
        let Some(keep_alive) = &mut self.keep_alive else { return polled };
        let polled = match polled {
            Poll::Ready(event) => Poll::Ready(event),
            Poll::Pending => match Pin::new(&mut keep_alive.sleep).poll(cx) {
                Poll::Ready(Ok(())) => Poll::Ready(Some(Ok(Event::default().comment("")))),
                Poll::Ready(Err(cancelled)) => Poll::Ready(Some(Err(Error::from(cancelled)))),
                Poll::Pending => Poll::Pending,
            },
        };
        if polled.is_ready() {
            *keep_alive.sleep = sleep(keep_alive.interval);
        }
        polled
    }
}

impl<S> fmt::Debug for Events<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}
