//! The task of one request.

use super::{
    answer::AnswerBody,
    body::{BodyError, RequestBody},
    catch_panic::{CatchPanic, catch},
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
    panic::{AssertUnwindSafe, catch_unwind},
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

/// What a request has while it is handled: that of its connection, and of the server.
type Permits<'a> = [Option<SemaphorePermit<'a>>; 2];

/// What a handler has made of a request. What panics is the inner error. `None` if it has taken too long.
type Handled<T> = Option<Result<T, Box<dyn Any + Send>>>;

type Answered<B> = Result<Response<AnswerBody<B>>>;

/// What a request is answered with that has no answer of its handler.
enum Otherwise<'a, B> {
    Panicked(Box<dyn Any + Send>),
    Failed(Pin<Box<dyn Future<Output = Answered<B>> + 'a>>),
}

pin_project! {
    /// Has a request handled without a limit, and makes an answer of whatever becomes of that.
    ///
    /// A future by hand, as an `async fn` would keep room for what it is given once more, and copy it.
    struct RequestTask<'a, 'env, F, B> {
        // `None` when it is gone.
        #[pin]
        handler: Option<F>,
        // Over when the handler is gone.
        asked: Asked<'a, 'env>,
        // Given back when the handler is gone.
        permits: Permits<'a>,
        otherwise: Option<Otherwise<'a, B>>,
    }
}

impl<'a, 'env, F, B> RequestTask<'a, 'env, F, B> {
    /// Calls a handler.
    #[inline]
    fn new(asked: Asked<'a, 'env>, permits: Permits<'a>, call: impl FnOnce() -> F) -> Self {
        let (handler, otherwise) = match catch_unwind(AssertUnwindSafe(call)) {
            Ok(handler) => (Some(handler), None),
            Err(panic) => (None, Some(Otherwise::Panicked(panic))),
        };
        Self { handler, asked, permits, otherwise }
    }
}

impl<'a, F, B, E> Future for RequestTask<'a, '_, F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: 'a,
    E: Into<BoxError> + 'static,
{
    type Output = Answered<B>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.handler.is_none() {
            return poll_otherwise(this.otherwise, this.asked, cx);
        }
        let mut handled = None;
        if let Some(panic) = catch(this.handler, cx, &mut handled) {
            *this.permits = [None, None];
            *this.otherwise = Some(Otherwise::Panicked(panic));
            return poll_otherwise(this.otherwise, this.asked, cx);
        }
        let Some(handled) = handled else { return Poll::Pending };
        *this.permits = [None, None];
        match handled {
            Ok(answer) => Poll::Ready(Ok(this.asked.answer(answer))),
            Err(error) => {
                *this.otherwise = Some(this.asked.fail(error.into()));
                poll_otherwise(this.otherwise, this.asked, cx)
            }
        }
    }
}

/// Makes an answer where there is none of a handler.
#[cold]
fn poll_otherwise<'a, B>(
    otherwise: &mut Option<Otherwise<'a, B>>,
    asked: &mut Asked<'a, '_>,
    cx: &mut Context<'_>,
) -> Poll<Answered<B>> {
    if let Some(Otherwise::Failed(answer)) = otherwise {
        return answer.as_mut().poll(cx);
    }
    match otherwise.take() {
        Some(Otherwise::Panicked(panic)) => Poll::Ready(Ok(asked.answer_panic(panic))),
        _ => panic!("a task is not polled after its end"),
    }
}

pin_project! {
    /// The same within limits.
    struct LimitedTask<'a, 'env, F, B> {
        #[pin]
        handled: F,
        // Over when the handler is gone.
        asked: Asked<'a, 'env>,
        otherwise: Option<Otherwise<'a, B>>,
    }
}

impl<'a, F, B, E> Future for LimitedTask<'a, '_, F, B>
where
    F: Future<Output = Result<Handled<Result<Response<B>, E>>>>,
    B: 'a,
    E: Into<BoxError> + 'static,
{
    type Output = Answered<B>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if this.otherwise.is_some() {
            return poll_otherwise(this.otherwise, this.asked, cx);
        }
        let handled = ready!(this.handled.poll(cx))?;
        let asked = &mut *this.asked;
        Poll::Ready(Ok(match handled {
            Some(Ok(Ok(answer))) => asked.answer(answer),
            Some(Ok(Err(error))) => {
                *this.otherwise = Some(asked.fail(error.into()));
                return poll_otherwise(this.otherwise, this.asked, cx);
            }
            Some(Err(panic)) => asked.answer_panic(panic),
            None => asked.answer_late(),
        }))
    }
}

/// What the answer to a request depends on besides the handler.
struct Asked<'a, 'env> {
    connection: &'a Connection<'a>,
    group: &'a TaskGroup<'a, 'env, Error>,
    offered: Option<Offered>,
    version: Version,
    /// `None` once it is answered.
    busy: Option<Busy>,
}

impl<'a> Asked<'a, '_> {
    #[inline]
    fn take_busy(&mut self) -> Busy {
        self.busy.take().expect("a request is answered once")
    }

    /// The answer of a handler, with what is to be done besides.
    #[inline(always)]
    fn answer<B>(&mut self, mut answer: Response<B>) -> Response<AnswerBody<B>> {
        if self.offered.is_some() {
            self.conclude_offer(Some(answer.status()));
        }
        if let Some(task) = take_production(answer.extensions_mut()) {
            self.produce(task);
        }
        let busy = self.take_busy();
        answer.map(|body| AnswerBody::new(Some(body), busy))
    }

    #[cold]
    fn produce(&self, task: impl Future<Output = Result<(), BoxError>> + 'a) {
        let Self { connection, group, version, .. } = *self;
        group.start_soon(connection.run_stream(version, connection.produce(task)));
    }

    /// What a handler's error is answered with.
    #[cold]
    fn fail<B>(&mut self, error: BoxError) -> Otherwise<'a, B>
    where
        B: 'a,
    {
        self.conclude_offer(None);
        Otherwise::Failed(Box::pin(self.connection.answer_error(error, self.take_busy())))
    }

    /// The same of its panic.
    #[cold]
    fn answer_panic<B>(&mut self, panic: Box<dyn Any + Send>) -> Response<AnswerBody<B>> {
        self.conclude_offer(None);
        self.connection.answer_panic(panic, self.version, self.take_busy())
    }

    /// The answer if the handler has taken too long.
    #[cold]
    fn answer_late<B>(&mut self) -> Response<AnswerBody<B>> {
        self.conclude_offer(None);
        count(&self.connection.server().counts.timed_out);
        bare(StatusCode::SERVICE_UNAVAILABLE, self.take_busy())
    }

    /// Has a connection or stream go on as something else, if that was asked for, and agreed to by this status.
    #[cold]
    fn conclude_offer(&mut self, status: Option<StatusCode>) {
        let Self { connection, group, version, .. } = *self;
        if let Some(task) = self.offered.take().and_then(|offered| offered.conclude(status)) {
            group.start_soon(connection.run_stream(version, connection.run_upgraded(task)));
        }
    }
}

impl<'a> Connection<'a> {
    /// What limits how many requests are handled at the same time.
    fn limits(&self, version: Version) -> [Option<&Semaphore>; 2] {
        [self.streams(version), self.server().requests.as_ref()]
    }

    /// The permits of a request that is handled at once, for as long as it likes.
    #[inline]
    fn admit(&self, version: Version) -> Option<Permits<'_>> {
        let server = self.server();
        if server.options.request_timeout.is_some() {
            return None;
        }
        let of_connection = match self.streams(version) {
            Some(streams) => Some(streams.try_acquire().ok()?),
            None => None,
        };
        let of_server = match &server.requests {
            Some(requests) => Some(requests.try_acquire().ok()?),
            None => None,
        };
        Some([of_connection, of_server])
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
