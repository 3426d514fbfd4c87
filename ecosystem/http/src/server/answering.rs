//! The task of one request.

use super::{
    answer::AnswerBody,
    body::{BodyError, RequestBody},
    catch_panic::CatchPanic,
    connection::Connection,
    error::ConnectionError,
    production::take_production,
    requests::Busy,
    send_limit::{PacedBody, Streams},
    statistics::count,
    upgrade::Offered,
};
use crate::BoxError;
use anyio::{
    CancelAware, CancelScope, Cancelled, Error, Result, TaskGroup, TaskHandle,
    lowlevel::{checkpoint_if_cancelled, is_finishing},
    sync::{Semaphore, SemaphorePermit},
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
    type Future = Answering<'scope, Self::Response>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let Self { connection, group, handler } = *self;
        let busy = connection.requests.begin();
        let server = connection.server();
        count(&server.counts.accepted);
        if RequestBody::is_too_large(request.body(), server.options.max_body_bytes) {
            return Answering::Done(Some(bare(StatusCode::PAYLOAD_TOO_LARGE, busy)));
        }
        let offered = connection.upgrades.offer(&mut request);
        let version = request.version();
        let asked = Some(Asked { connection, group, offered, version, busy });
        let admission = connection.admit(version);
        // From here to the block of the child nothing may panic: what would then be dropped would have to lie elsewhere first,
        // and be copied. A handler that panics before it gives its future does so in there.
        let caught = CatchPanic::new(async move {
            let request = request.map(|body| RequestBody::new(body, connection));
            handler(request).await
        });
        let ran = match admission {
            Admission::Now(permits) => {
                let handled = Direct { permits, caught };
                group.run_now(RequestTask { asked, handled, failed: None })
            }
            Admission::Limited => {
                let handled = connection.handle_within_limits(version, caught);
                group.run_now(RequestTask { asked, handled, failed: None })
            }
        };
        match ran {
            Ok(answer) => Answering::Done(Some(answer)),
            Err(task) => Answering::Goes { task, connection },
        }
    }
}

/// What hyper calls for each request of HTTP/2, whose answers tell how they go out.
pub(super) struct StreamAnswerer<A> {
    pub(super) answerer: A,
    pub(super) streams: Rc<Streams>,
}

impl<'scope, R, A, B> Service<R> for StreamAnswerer<A>
where
    A: Service<R, Response = Response<B>, Error = Cancelled, Future = Answering<'scope, Response<B>>>,
    B: Body,
{
    type Response = Response<PacedBody<B>>;
    type Error = A::Error;
    type Future = AnsweringStream<A::Future>;

    fn call(&self, request: R) -> Self::Future {
        let answering = self.answerer.call(request);
        self.streams.begin(matches!(answering, Answering::Done(_)));
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
pub(super) enum Answering<'scope, T> {
    /// The task has ended within its first poll. `None` once hyper has the answer.
    Done(Option<T>),
    Goes {
        task: TaskHandle<'scope, T>,
        connection: &'scope Connection<'scope>,
    },
}

// Nothing in it is pinned by pinning it.
impl<T> Unpin for Answering<'_, T> {}

impl<T> Future for Answering<'_, T> {
    type Output = Result<T, Cancelled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Done(answer) => Poll::Ready(Ok(answer.take().expect("not polled after its end"))),
            Self::Goes { task, .. } => Pin::new(task).poll(cx),
        }
    }
}

impl<T> Drop for Answering<'_, T> {
    fn drop(&mut self) {
        if let Self::Goes { task, connection } = self
            && !task.is_finished()
        {
            count(&connection.server().counts.cancelled);
            task.cancel();
        }
    }
}

/// What a request has while it is handled: that of its connection, and of the server.
type Permits<'a> = [Option<SemaphorePermit<'a>>; 2];

/// Whether a request is handled at once.
enum Admission<'a> {
    Now(Permits<'a>),
    /// There is a limit of time, or no room for another one.
    Limited,
}

/// What a handler has made of a request. What panics is the inner error. `None` if it has taken too long.
type Handled<T> = Option<Result<T, Box<dyn Any + Send>>>;

pin_project! {
    /// Handling without a limit.
    struct Direct<'a, F> {
        #[pin]
        caught: CatchPanic<F>,
        // Given back when the handler is gone.
        permits: Permits<'a>,
    }
}

impl<F: Future> Future for Direct<'_, F> {
    type Output = Result<Handled<F::Output>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let handled = ready!(this.caught.poll(cx));
        *this.permits = [None, None];
        Poll::Ready(Ok(Some(handled)))
    }
}

pin_project! {
    /// Has a request handled, and makes an answer of whatever becomes of that.
    ///
    /// A future by hand, as an `async fn` would keep room for what it is given once more, and copy it.
    struct RequestTask<'a, 'env, F, B> {
        #[pin]
        handled: F,
        // Over when the handler is gone.
        asked: Option<Asked<'a, 'env>>,
        // What an error is answered with.
        failed: Option<Pin<Box<dyn Future<Output = Result<Response<AnswerBody<B>>>> + 'a>>>,
    }
}

impl<'a, F, B, E> Future for RequestTask<'a, '_, F, B>
where
    F: Future<Output = Result<Handled<Result<Response<B>, E>>>>,
    B: 'a,
    E: Into<BoxError> + 'static,
{
    type Output = Result<Response<AnswerBody<B>>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Some(failed) = this.failed {
            return failed.as_mut().poll(cx);
        }
        let handled = ready!(this.handled.poll(cx))?;
        let asked = this.asked.take().expect("a task is not polled after its end");
        let connection = asked.connection;
        match asked.answer(handled) {
            Ok(answer) => Poll::Ready(Ok(answer)),
            Err((error, busy)) => {
                let answer = Box::pin(connection.answer_error(error, busy));
                this.failed.insert(answer).as_mut().poll(cx)
            }
        }
    }
}

/// What the answer to a request depends on besides the handler.
struct Asked<'a, 'env> {
    connection: &'a Connection<'a>,
    group: &'a TaskGroup<'a, 'env, Error>,
    offered: Option<Offered>,
    version: Version,
    busy: Busy,
}

impl Asked<'_, '_> {
    /// Makes an answer of whatever has become of a request.
    ///
    /// # Errors
    /// The handler's.
    #[inline]
    fn answer<B, E: Into<BoxError>>(
        self,
        handled: Handled<Result<Response<B>, E>>,
    ) -> Result<Response<AnswerBody<B>>, (BoxError, Busy)> {
        let Self { connection, group, offered, version, busy } = self;
        if let Some(offered) = offered {
            let status = match &handled {
                Some(Ok(Ok(answer))) => Some(answer.status()),
                _ => None,
            };
            if let Some(task) = offered.conclude(status) {
                group.start_soon(connection.run_stream(version, connection.run_upgraded(task)));
            }
        }
        match handled {
            Some(Ok(Ok(mut answer))) => {
                if let Some(task) = take_production(answer.extensions_mut()) {
                    group.start_soon(connection.run_stream(version, connection.produce(task)));
                }
                Ok(answer.map(|body| AnswerBody::new(Some(body), busy)))
            }
            Some(Ok(Err(error))) => Err((error.into(), busy)),
            Some(Err(panic)) => Ok(connection.answer_panic(panic, version, busy)),
            None => {
                count(&connection.server().counts.timed_out);
                Ok(bare(StatusCode::SERVICE_UNAVAILABLE, busy))
            }
        }
    }
}

impl<'a> Connection<'a> {
    /// What limits how many requests are handled at the same time.
    fn limits(&self, version: Version) -> [Option<&Semaphore>; 2] {
        [self.streams(version), self.server().requests.as_ref()]
    }

    fn admit(&self, version: Version) -> Admission<'_> {
        if self.server().options.request_timeout.is_some() {
            return Admission::Limited;
        }
        let mut permits = [None, None];
        for (limit, permit) in self.limits(version).into_iter().zip(&mut permits) {
            if let Some(limit) = limit {
                let Ok(free) = limit.try_acquire() else { return Admission::Limited };
                *permit = Some(free);
            }
        }
        Admission::Now(permits)
    }

    /// Waits for the permits of a request, that of its connection first: what waits for that keeps no others waiting.
    async fn acquire(&self, version: Version) -> Result<Permits<'_>> {
        let mut permits = [None, None];
        for (limit, permit) in self.limits(version).into_iter().zip(&mut permits) {
            if let Some(limit) = limit {
                *permit = Some(limit.acquire().await?);
            }
        }
        Ok(permits)
    }

    /// Runs what goes on with a stream when its request has been answered.
    async fn run_stream(&self, version: Version, task: impl Future<Output = Result<()>>) -> Result<()> {
        let _permit = match self.streams(version) {
            Some(streams) => Some(streams.acquire().await?),
            None => None,
        };
        task.await
    }

    /// Has a request handled when there is room for it, and for no longer than it may take.
    async fn handle_within_limits<T>(
        &self,
        version: Version,
        handled: impl Future<Output = Result<T, Box<dyn Any + Send>>>,
    ) -> Result<Handled<T>> {
        let handle = async || {
            let _permits = self.acquire(version).await?;
            Ok(handled.await)
        };
        let Some(limit) = self.server().options.request_timeout else { return handle().await.map(Some) };
        let scope = CancelScope::new().with_timeout(limit);
        let handled = scope.run(handle).await?;
        // What comes too late is no answer, but a panic is one whenever it comes.
        Ok(handled.filter(|handled| handled.is_err() || !scope.cancel_called()))
    }

    /// Makes the body of an answer that has been given.
    async fn produce(&self, task: impl Future<Output = Result<(), BoxError>>) -> Result<()> {
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
    async fn answer_error<B>(&self, error: BoxError, busy: Busy) -> Result<Response<AnswerBody<B>>> {
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
    fn answer_panic<B>(
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
fn bare<B>(status: StatusCode, busy: Busy) -> Response<AnswerBody<B>> {
    let mut answer = Response::new(AnswerBody::new(None, busy));
    *answer.status_mut() = status;
    answer
}
