//! The task of one request.

use super::{
    answer::{AnswerBody, Busy},
    body::{BodyError, RequestBody},
    catch_panic::CatchPanic,
    connection::Connection,
    error::ConnectionError,
    production::take_production,
    statistics::count,
    upgrade::Upgrades,
};
use crate::BoxError;
use anyio::{
    CancelAware, CancelScope, Cancelled, Error, Result, TaskGroup, TaskHandle,
    lowlevel::{checkpoint_if_cancelled, is_finishing},
};
use http::{HeaderValue, Request, Response, StatusCode, Version, header::CONNECTION};
use hyper::{body::Incoming, service::Service};
use std::{
    any::Any,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
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

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (connection, handler) = (self.connection, self.handler);
        let busy = connection.requests.begin();
        let server = connection.server();
        count(&server.counts.accepted);
        let request = request
            .map(|body| RequestBody::new(body, server.options.max_body_bytes, connection.info.clone()));
        let task = self.group.start_now(connection.answer(self.group, busy, handler, request));
        Answering { task, connection }
    }
}

/// The answer of the task of a request, which is cancelled if hyper no longer wants it.
pub(super) struct Answering<'scope, T> {
    task: TaskHandle<'scope, T>,
    connection: &'scope Connection<'scope>,
}

impl<T> Future for Answering<'_, T> {
    type Output = Result<T, Cancelled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.task).poll(cx)
    }
}

impl<T> Drop for Answering<'_, T> {
    fn drop(&mut self) {
        if !self.task.is_finished() {
            count(&self.connection.server().counts.cancelled);
            self.task.cancel();
        }
    }
}

impl Connection<'_> {
    /// Has the request handled, and makes an answer of whatever becomes of that.
    ///
    /// A block and not an `async fn`, here and in what it calls: of that each would keep room for the request once more, and
    /// each request would be copied as often.
    #[expect(clippy::manual_async_fn)]
    fn answer<'a, B, E>(
        &'a self,
        group: &'a TaskGroup<'a, '_, Error>,
        busy: Busy,
        handler: &'a impl AsyncFn(Request<RequestBody>) -> Result<Response<B>, E>,
        mut request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Response<AnswerBody<B>>>>
    where
        B: 'a,
        E: Into<BoxError> + 'static,
    {
        async move {
            if request.body().is_too_large() {
                return Ok(bare(StatusCode::PAYLOAD_TOO_LARGE, busy));
            }
            let version = request.version();
            let of_stream = Upgrades::of_stream(&request);
            let upgrades = of_stream.as_ref().unwrap_or(&self.upgrades);
            let agreed = upgrades.offer(&mut request);
            let handled = match self.server().options.request_timeout {
                None => Some(self.handle(handler, request).await?),
                Some(limit) => {
                    let scope = CancelScope::new().with_timeout(limit);
                    let handled = scope.run(async || self.handle(handler, request).await).await?;
                    handled.filter(|_| !scope.cancel_called())
                }
            };
            if let Some(agreed) = agreed
                && !matches!(&handled, Some(Ok(Ok(answer))) if answer.status() == agreed)
            {
                upgrades.refuse();
            }
            if let Some(task) = of_stream.and_then(|upgrades| upgrades.take()) {
                group.start_soon(self.run_upgraded(task));
            }
            match handled {
                Some(Ok(Ok(mut answer))) => {
                    if let Some(task) = take_production(answer.extensions_mut()) {
                        group.start_soon(self.produce(task));
                    }
                    Ok(answer.map(|body| AnswerBody::new(Some(body), busy)))
                }
                Some(Ok(Err(error))) => self.answer_error(error.into(), busy).await,
                Some(Err(panic)) => Ok(self.answer_panic(panic, version, busy)),
                None => {
                    count(&self.server().counts.timed_out);
                    Ok(bare(StatusCode::SERVICE_UNAVAILABLE, busy))
                }
            }
        }
    }

    /// Calls the handler, when there is room for it. What panics is the inner error.
    #[expect(clippy::manual_async_fn)]
    fn handle<'a, T>(
        &'a self,
        handler: &'a impl AsyncFn(Request<RequestBody>) -> T,
        request: Request<RequestBody>,
    ) -> impl Future<Output = Result<Result<T, Box<dyn Any + Send>>>> {
        async move {
            let _permit = match &self.server().requests {
                Some(requests) => Some(requests.acquire().await?),
                None => None,
            };
            Ok(CatchPanic::new(move || handler(request)).await)
        }
    }

    /// Makes the body of an answer that has been given.
    async fn produce(&self, task: impl Future<Output = Result<(), BoxError>>) -> Result<()> {
        let server = self.server();
        match CatchPanic::new(|| task).await {
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
