//! The task of one request.

use super::{
    answer::{AnswerBody, Busy},
    body::{BodyError, RequestBody},
    connection::Connection,
    error::ConnectionError,
    statistics::count,
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
    future::{Future, poll_fn},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
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

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (connection, handler) = (self.connection, self.handler);
        let busy = connection.requests.begin();
        count(&connection.server().counts.accepted);
        let task = self.group.start_soon(connection.answer(busy, handler, request));
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
    async fn answer<B, E>(
        &self,
        busy: Busy,
        handler: &impl AsyncFn(Request<RequestBody>) -> Result<Response<B>, E>,
        request: Request<Incoming>,
    ) -> Result<Response<AnswerBody<B>>>
    where
        E: Into<BoxError> + 'static,
    {
        let (server, version) = (self.server(), request.version());
        let mut request =
            request.map(|body| RequestBody::new(body, server.options.max_body_bytes, self.info.clone()));
        if request.body().is_too_large() {
            return Ok(bare(StatusCode::PAYLOAD_TOO_LARGE, busy));
        }
        let agreed = self.upgrades.offer(&mut request);
        let handled = self.handle(handler, request).await?;
        if let Some(agreed) = agreed
            && !matches!(&handled, Some(Ok(Ok(answer))) if answer.status() == agreed)
        {
            self.upgrades.refuse();
        }
        let Some(handled) = handled else {
            count(&server.counts.timed_out);
            return Ok(bare(StatusCode::SERVICE_UNAVAILABLE, busy));
        };
        let error: BoxError = match handled {
            Ok(Ok(answer)) => return Ok(answer.map(|body| AnswerBody::new(Some(body), busy))),
            Ok(Err(error)) => error.into(),
            Err(panic) => {
                count(&server.counts.panicked);
                server.tell(&ConnectionError::of_panic(panic));
                self.close_soon();
                let mut answer = bare(StatusCode::INTERNAL_SERVER_ERROR, busy);
                if version < Version::HTTP_2 {
                    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                return Ok(answer);
            }
        };
        if error.is_cancelled() {
            checkpoint_if_cancelled().await?;
        }
        if error.is_finishing() && is_finishing() {
            return Ok(bare(StatusCode::SERVICE_UNAVAILABLE, busy));
        }
        if BodyError::is_too_large(&*error) {
            return Ok(bare(StatusCode::PAYLOAD_TOO_LARGE, busy));
        }
        count(&server.counts.failed);
        server.tell(&ConnectionError::Handler(error));
        Ok(bare(StatusCode::INTERNAL_SERVER_ERROR, busy))
    }

    /// Calls the handler, when there is room for it. `None` if that takes too long; what panics is the outer error.
    async fn handle<T>(
        &self,
        handler: &impl AsyncFn(Request<RequestBody>) -> T,
        request: Request<RequestBody>,
    ) -> Result<Option<Result<T, Box<dyn Any + Send>>>> {
        let server = self.server();
        let handle = async || -> Result<_> {
            let _permit = match &server.requests {
                Some(requests) => Some(requests.acquire().await?),
                None => None,
            };
            Ok(without_panic(async { handler(request).await }).await)
        };
        let Some(limit) = server.options.request_timeout else {
            return handle().await.map(Some);
        };
        let scope = CancelScope::new().with_timeout(limit);
        let handled = scope.run(handle).await?;
        Ok(handled.filter(|_| !scope.cancel_called()))
    }
}

/// An answer without a body.
fn bare<B>(status: StatusCode, busy: Busy) -> Response<AnswerBody<B>> {
    let mut answer = Response::new(AnswerBody::new(None, busy));
    *answer.status_mut() = status;
    answer
}

/// Catches a panic of a future, and those of dropping what is left of it.
async fn without_panic<F: Future>(future: F) -> Result<F::Output, Box<dyn Any + Send>> {
    let mut future = pin!(Some(future));
    let caught = poll_fn(|cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| {
            let running = future.as_mut().as_pin_mut().expect("polled to its end once");
            let output = ready!(running.poll(cx));
            future.set(None);
            Poll::Ready(output)
        }));
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
    .await;
    caught.inspect_err(|_| {
        if let Err(another) = catch_unwind(AssertUnwindSafe(|| future.set(None))) {
            log::error!("{}", ConnectionError::of_panic(another));
        }
    })
}
