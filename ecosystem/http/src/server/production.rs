//! Bodies that a task makes.

use crate::BoxError;
use anyio::{
    CancelScope, OnThread, Result,
    streams::memory::{self, Items, SendStream},
};
use bytes::Bytes;
use futures_core::Stream;
use http::{Extensions, HeaderMap, Response};
use http_body::{Body, Frame};
use std::{
    cell::{Cell, RefCell},
    error::Error as StdError,
    fmt,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

type Task = Pin<Box<dyn Future<Output = Result<(), BoxError>>>>;

/// What is sent to the body; `None` is its end.
type Part = Option<Frame<Bytes>>;

/// What is still to be done when an answer has been given, in the answer's extensions.
#[derive(Clone)]
struct Production(OnThread<Rc<RefCell<Option<Task>>>>);

/// Takes what makes the body from an answer.
#[inline(always)]
pub(super) fn take_production(extensions: &mut Extensions) -> Option<Task> {
    if extensions.is_empty() {
        return None;
    }
    extensions.remove::<Production>()?.0.borrow_mut().take()
}

/// Makes an answer whose body a function sends, piece by piece, in a child task of the connection: it begins when the answer
/// has been given, and waits while the client takes nothing more.
///
/// If the client goes away or resets the stream, or the server has to end, the task is cancelled and awaited, so that
/// [`using`](anyio::using) and other cleanup run to their end. If it fails or panics, that is told as of a handler, and the
/// client sees that the body is not whole.
///
/// ```
/// use anyio::{Error, Result};
/// use anyio_http::{ProducedBody, RequestBody, produce_body};
/// use http::{Request, Response};
///
/// async fn count(_request: Request<RequestBody>) -> Result<Response<ProducedBody>> {
///     Ok(produce_body(Response::new(()), async |body| {
///         for number in 0..1_000_000 {
///             body.send(format!("{number}\n")).await?;
///         }
///         Ok::<_, Error>(())
///     }))
/// }
/// # let _ = count;
/// ```
///
/// The answer has to come to its [`Server`](crate::Server) with its extensions; without them the body is broken.
pub fn produce_body<E: Into<BoxError>>(
    answer: Response<()>,
    make: impl AsyncFnOnce(BodySender) -> Result<(), E> + 'static,
) -> Response<ProducedBody> {
    let (sender, parts) = memory::channel(1);
    let scope = CancelScope::new();
    let body = ProducedBody(OnThread::new(Parts {
        parts: parts.into_stream(),
        scope: scope.clone(),
        has_ended: false,
    }));
    let task: Task = Box::pin(async move {
        let has_ended = Rc::new(Cell::new(false));
        let pieces = BodySender { parts: sender.clone(), has_ended: has_ended.clone() };
        let made = scope.run(async || make(pieces).await.map_err(Into::into)).await?;
        if made.is_some() && !has_ended.get() {
            // Nobody may be there to be told.
            drop(sender.send(None).await);
        }
        Ok(())
    });
    let (mut head, ()) = answer.into_parts();
    head.extensions.insert(Production(OnThread::new(Rc::new(RefCell::new(Some(task))))));
    Response::from_parts(head, body)
}

/// Where the function of [`produce_body`] sends the body.
#[derive(Debug)]
pub struct BodySender {
    parts: SendStream<Part>,
    /// Whether the trailers were sent, after which nothing comes.
    has_ended: Rc<Cell<bool>>,
}

impl BodySender {
    /// Sends some bytes, once there is room.
    ///
    /// # Errors
    /// [`Error::Cancelled`](anyio::Error::Cancelled) if the scope is cancelled, as when the client has gone.
    ///
    /// # Cancel safety
    /// Nothing of them is sent.
    pub async fn send(&self, bytes: impl Into<Bytes>) -> Result<()> {
        self.send_frame(Frame::data(bytes.into())).await
    }

    /// Sends the trailers, after which nothing may be sent.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    ///
    /// # Cancel safety
    /// They are not sent.
    pub async fn send_trailers(&self, trailers: HeaderMap) -> Result<()> {
        self.send_frame(Frame::trailers(trailers)).await
    }

    /// Sends a frame, of either kind.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    ///
    /// # Cancel safety
    /// It is not sent.
    pub async fn send_frame(&self, frame: Frame<Bytes>) -> Result<()> {
        let is_end = frame.is_trailers();
        self.parts.send(Some(frame)).await?;
        if is_end {
            self.has_ended.set(true);
        }
        Ok(())
    }
}

/// The body of an answer that a task makes. See [`produce_body`].
///
/// # Panics
/// On another thread.
pub struct ProducedBody(OnThread<Parts>);

struct Parts {
    parts: Items<Part>,
    /// That of the task.
    scope: CancelScope,
    has_ended: bool,
}

impl Drop for Parts {
    fn drop(&mut self) {
        self.scope.cancel();
    }
}

impl Body for ProducedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.0.has_ended {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(Pin::new(&mut self.0.parts).poll_next(cx)) {
            Some(Ok(Some(frame))) => {
                self.0.has_ended = frame.is_trailers();
                Some(Ok(frame))
            }
            Some(Ok(None)) => {
                self.0.has_ended = true;
                None
            }
            Some(Err(cancelled)) => Some(Err(cancelled.into())),
            None => {
                self.0.has_ended = true;
                Some(Err(NotMade.into()))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.has_ended
    }
}

impl fmt::Debug for ProducedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProducedBody").finish_non_exhaustive()
    }
}

/// What makes a body has failed, or was never begun.
#[derive(Debug)]
struct NotMade;

impl fmt::Display for NotMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task that makes a body has not come to its end")
    }
}

impl StdError for NotMade {}

#[cfg(test)]
mod tests {
    use super::*;
    use anyio::{Error, current_time};
    use http_body_util::BodyExt;
    use std::{io, time::Duration};

    #[test]
    fn a_task_that_has_sent_the_trailers_waits_for_nobody() {
        anyio::run(async || {
            let make = async |body: BodySender| body.send_trailers(HeaderMap::new()).await;
            let mut answer = produce_body(Response::new(()), make);
            let task = take_production(answer.extensions_mut()).unwrap();
            let limit = CancelScope::new().with_deadline(current_time() + Duration::from_secs(1));
            limit
                .run(async || task.await.map_err(|error| Error::from(io::Error::other(error))))
                .await
                .unwrap();
            assert!(!limit.cancel_called(), "it waits");
            let body = answer.into_body().collect().await.unwrap();
            assert!(body.trailers().is_some());
        });
    }
}
