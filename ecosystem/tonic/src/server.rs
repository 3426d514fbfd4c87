//! Answering calls.

mod answer;
mod request;

pub use answer::AnswerBody;

use self::{answer::Begun, request::Incoming};
use crate::{
    BoxError,
    call::Call,
    deadline::{Malformed, time_limit},
    status::deadline_exceeded,
};
use anyio::{CancelScope, current_time, foreign};
use anyio_http::RequestBody;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use std::{
    future::{Future, poll_fn},
    pin::pin,
    rc::Rc,
    time::Instant,
};
use tonic::Status;
use tower_service::Service;

/// Makes a handler for [`anyio_http::Server::serve`] of a service that tonic has generated, or of several in
/// [`tonic::service::Routes`]. Each call is handled by a clone of it.
///
/// **A call is a task**, with all that it sends: if its client goes away or cancels it, the task is cancelled and awaited. So
/// is one whose deadline passes (`grpc-timeout`), which is a scope around it, and [`Code::DeadlineExceeded`] is answered.
/// What it calls in turn through a [`Channel`](crate::Channel) inherits the deadline.
///
/// Streams of messages are polled in the task of the call, which is not that of the method where that has returned. Those
/// that await anyio are [`LocalStream`](crate::LocalStream)s: of them the task awaits what [`produce`](crate::produce) has
/// begun.
///
/// A call whose client takes nothing more ends at the deadline, and a second later if the client does not take even that.
/// One without a deadline is ended by [`send_timeout`](anyio_http::Server::send_timeout): a service that streams to clients
/// which let it wait for longer than a minute sets that, and has those that are gone ended by
/// [`keep_alive`](anyio_http::Server::keep_alive).
///
/// ```
/// use anyio::{Result, net::TcpListener};
/// use anyio_http::Server;
/// use anyio_tonic::grpc;
/// use tonic::service::Routes;
///
/// async fn serve() -> Result<()> {
///     let (reporter, health) = tonic_health::server::health_reporter();
///     reporter.set_service_status("greeter.Greeter", tonic_health::ServingStatus::Serving).await;
///     let listener = TcpListener::bind("127.0.0.1:50051").await?;
///     Server::new().serve(&listener, grpc(Routes::new(health))).await?;
///     Ok(())
/// }
/// # let _ = serve;
/// ```
///
/// [`Code::DeadlineExceeded`]: tonic::Code::DeadlineExceeded
/// [`tonic::service::Routes`]: https://docs.rs/tonic/latest/tonic/service/struct.Routes.html
pub fn grpc<S, B>(service: S) -> impl AsyncFn(Request<RequestBody>) -> Result<Response<AnswerBody>, S::Error>
where
    S: Service<Request<tonic::body::Body>, Response = Response<B>, Error: 'static> + Clone,
    B: Body<Data = Bytes, Error: Into<BoxError>> + 'static,
{
    async move |request| {
        let deadline = match time_limit(request.headers()) {
            Ok(limit) => limit.and_then(|limit| current_time().checked_add(limit)),
            Err(Malformed) => {
                return Ok(Status::invalid_argument("the grpc-timeout is malformed").into_http());
            }
        };
        let mut service = service.clone();
        let call = Rc::<Call>::default();
        let handling = async {
            match foreign(poll_fn(|cx| service.poll_ready(cx))).await {
                Ok(ready) => ready?,
                // Nobody gets the answer to a call that is cancelled.
                Err(_) => return Ok(None),
            }
            service.call(request.map(|body| tonic::body::Body::new(Incoming(body)))).await.map(Some)
        };
        let answered = within_deadline(deadline, within(&call, handling)).await;
        let Some(answer) = answered else { return Ok(deadline_exceeded().into_http()) };
        let Some(answer) = answer? else {
            return Ok(Status::cancelled("the call was cancelled").into_http());
        };
        Ok(Begun::probe(call, deadline, answer).await)
    }
}

/// Polls a future in the call.
async fn within<F: Future>(call: &Rc<Call>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| call.enter(|| future.as_mut().poll(cx))).await
}

/// Awaits a future, which is cancelled at the deadline; `None` if it was. Its own result is not looked at: with one, a scope
/// further out may be cancelled, whose business that is.
async fn within_deadline<F: Future>(deadline: Option<Instant>, future: F) -> Option<F::Output> {
    let Some(deadline) = deadline else { return Some(future.await) };
    let scope = CancelScope::new().with_deadline(deadline);
    let ran = scope.run(async || Ok::<_, anyio::Error>(future.await)).await;
    match ran {
        Ok(Some(output)) if !scope.cancel_called() => Some(output),
        _ => None,
    }
}
