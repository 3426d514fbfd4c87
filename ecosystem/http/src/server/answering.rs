//! The task of one request.

use super::{
    answer::AnswerBody,
    body::{BodyError, RequestBody},
    catch_panic::CatchPanic,
    connection::Connection,
    error::ConnectionError,
    request_task::{Asked, LimitedTask, RequestTask},
    requests::Busy,
    send_limit::{PacedBody, Streams},
    statistics::count,
};
use crate::BoxError;
use anyio::{
    CancelAware, Cancelled, Error, Result, TaskGroup, TaskHandle,
    lowlevel::{checkpoint_if_cancelled, is_finishing},
};
use http::{HeaderValue, Request, Response, StatusCode, Version, header::CONNECTION};
use http_body::Body;
use hyper::{body::Incoming, service::Service};
use pin_project_lite::pin_project;
use std::{
    any::Any,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

/// What hyper calls for each request.
pub(super) struct Answerer<'scope, 'env, H> {
    pub(super) connection: &'scope Connection<'scope>,
    pub(super) group: &'scope TaskGroup<'scope, 'env, Error>,
    pub(super) handler: &'scope H,
}

impl<'scope, H, B, E> Service<Request<Incoming>> for Answerer<'scope, '_, H>
where
    H: AsyncFn(Request<RequestBody>) -> Result<Response<B>, E>,
    B: 'static,
    E: Into<BoxError> + 'static,
{
    type Response = Response<AnswerBody<B>>;
    type Error = Cancelled;
    type Future = Answering<'scope, B>;

    #[inline]
    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let Self { connection, group, handler } = *self;
        let server = connection.server();
        count(&server.counts.accepted);
        let busy = connection.requests.begin();
        if RequestBody::is_too_large(request.body(), server.options.max_body_bytes) {
            return Answering::TooLarge(Some(busy));
        }
        let version = request.version();
        let permits = if request.extensions().is_empty() { connection.admit(version) } else { None };
        let Some(permits) = permits else { return self.call_within_limits(request, busy) };
        let task = group.call_now(move || {
            let asked = Asked { connection, group, offered: None, version, busy: Some(busy) };
            RequestTask::new(asked, permits, || {
                handler(request.map(|body| RequestBody::new(body, connection)))
            })
        });
        Answering::Task { task, connection }
    }
}

impl<'scope, H, B, E> Answerer<'scope, '_, H>
where
    H: AsyncFn(Request<RequestBody>) -> Result<Response<B>, E>,
    B: 'static,
    E: Into<BoxError> + 'static,
{
    /// Has a request handled that has to wait for room, has a limit of time, or asks for more than an answer.
    #[inline(never)]
    fn call_within_limits(&self, mut request: Request<Incoming>, busy: Busy) -> Answering<'scope, B> {
        let Self { connection, group, handler } = *self;
        let offered = connection.upgrades.offer(&mut request);
        let version = request.version();
        let asked = Asked { connection, group, offered, version, busy: Some(busy) };
        let task = group.call_now(move || {
            let caught = CatchPanic::new(async move {
                handler(request.map(|body| RequestBody::new(body, connection))).await
            });
            let handled = connection.handle_within_limits(version, caught);
            LimitedTask { handled, asked, otherwise: None }
        });
        Answering::Task { task, connection }
    }
}

/// What hyper calls for each request of HTTP/2, whose answers tell how they go out.
pub(super) struct StreamAnswerer<A> {
    pub(super) answerer: A,
    pub(super) streams: Rc<Streams>,
}

impl<'scope, R, A, B> Service<R> for StreamAnswerer<A>
where
    A: Service<R, Response = Response<AnswerBody<B>>, Error = Cancelled, Future = Answering<'scope, B>>,
    B: Body,
{
    type Response = Response<PacedBody<AnswerBody<B>>>;
    type Error = A::Error;
    type Future = AnsweringStream<A::Future>;

    fn call(&self, request: R) -> Self::Future {
        let answering = self.answerer.call(request);
        self.streams.begin(answering.is_there());
        AnsweringStream { answering, streams: self.streams.clone() }
    }
}

pin_project! {
    /// The answer of a stream.
    pub(super) struct AnsweringStream<F> {
        #[pin]
        answering: F,
        streams: Rc<Streams>,
    }
}

impl<F: Future<Output = Result<Response<B>, E>>, B: Body, E> Future for AnsweringStream<F> {
    type Output = Result<Response<PacedBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready!(this.answering.poll(cx))?;
        Poll::Ready(Ok(answer.map(|body| PacedBody::new(body, this.streams))))
    }
}

/// The answer of the task of a request, which is cancelled if hyper no longer wants it.
pub(super) enum Answering<'scope, B> {
    Task {
        task: TaskHandle<'scope, Response<AnswerBody<B>>>,
        connection: &'scope Connection<'scope>,
    },
    /// The request has a body that is too large. `None` once hyper has the answer.
    TooLarge(Option<Busy>),
}

// Nothing in it is pinned by pinning it.
impl<B> Unpin for Answering<'_, B> {}

impl<B> Answering<'_, B> {
    /// Whether the request was answered at once.
    fn is_there(&self) -> bool {
        match self {
            Self::Task { task, .. } => task.is_finished(),
            Self::TooLarge(_) => true,
        }
    }
}

impl<B> Future for Answering<'_, B> {
    type Output = Result<Response<AnswerBody<B>>, Cancelled>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Task { task, .. } => match task.try_take() {
                Ok(answer) => Poll::Ready(Ok(answer)),
                Err(_) => Pin::new(task).poll(cx),
            },
            Self::TooLarge(busy) => {
                let busy = busy.take().expect("a future is not polled after its end");
                Poll::Ready(Ok(bare(StatusCode::PAYLOAD_TOO_LARGE, busy)))
            }
        }
    }
}

impl<B> Drop for Answering<'_, B> {
    #[inline]
    fn drop(&mut self) {
        if let Self::Task { task, connection } = self
            && !task.is_finished()
        {
            count(&connection.server().counts.cancelled);
            task.cancel();
        }
    }
}

impl<'a> Connection<'a> {
    /// Runs what goes on with a stream when its request has been answered.
    pub(super) async fn run_stream(
        &self,
        version: Version,
        task: impl Future<Output = Result<()>>,
    ) -> Result<()> {
        let _permit = match self.streams(version) {
            Some(streams) => Some(streams.acquire().await?),
            None => None,
        };
        task.await
    }

    /// Makes the body of an answer that has been given.
    pub(super) async fn produce(&self, task: impl Future<Output = Result<(), BoxError>>) -> Result<()> {
        let server = self.server();
        match CatchPanic::new(task).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) if error.is_cancelled() => checkpoint_if_cancelled().await?,
            Ok(Err(error)) => {
                count(&server.counts.failed);
                server.tell(&ConnectionError::Handler(error));
            }
            Err(panic) => {
                count(&server.counts.panicked);
                server.tell(&ConnectionError::of_panic(panic));
                self.close_soon();
            }
        }
        Ok(())
    }

    /// Runs what has taken over the connection, or a stream of it.
    pub(super) async fn run_upgraded(&self, task: impl Future<Output = ()>) -> Result<()> {
        let _busy = self.requests.begin();
        self.produce(async {
            task.await;
            Ok(())
        })
        .await
    }

    /// What the client is told of a handler's error.
    #[cold]
    pub(super) async fn answer_error<B>(
        &self,
        error: BoxError,
        busy: Busy,
    ) -> Result<Response<AnswerBody<B>>> {
        if error.is_cancelled() {
            checkpoint_if_cancelled().await?;
        }
        if error.is_finishing() && is_finishing() {
            return Ok(bare(StatusCode::SERVICE_UNAVAILABLE, busy));
        }
        if BodyError::is_too_large(&*error) {
            return Ok(bare(StatusCode::PAYLOAD_TOO_LARGE, busy));
        }
        let server = self.server();
        count(&server.counts.failed);
        server.tell(&ConnectionError::Handler(error));
        Ok(bare(StatusCode::INTERNAL_SERVER_ERROR, busy))
    }

    /// The same of its panic.
    #[cold]
    pub(super) fn answer_panic<B>(
        &self,
        panic: Box<dyn Any + Send>,
        version: Version,
        busy: Busy,
    ) -> Response<AnswerBody<B>> {
        let server = self.server();
        count(&server.counts.panicked);
        server.tell(&ConnectionError::of_panic(panic));
        self.close_soon();
        let mut answer = bare(StatusCode::INTERNAL_SERVER_ERROR, busy);
        if version < Version::HTTP_2 {
            answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }
}

/// An answer without a body.
pub(super) fn bare<B>(status: StatusCode, busy: Busy) -> Response<AnswerBody<B>> {
    let mut answer = Response::new(AnswerBody::new(None, busy));
    *answer.status_mut() = status;
    answer
}
