//! A limit of time.

use super::local::LocalFuture;
use anyio::{CancelScope, Cancelled};
use http::{Response, StatusCode};
use std::{
    task::{Context, Poll},
    time::Duration,
};
use tower_layer::Layer;
use tower_service::Service;

/// Gives services a limit of time for each request, as a scope: what takes longer is cancelled and awaited, so that it can
/// clean up, and then answered by 503, whatever it gives.
///
/// ```
/// use anyio_http::{axum::local, tower::TimeoutLayer};
/// use axum::{Router, routing::get};
/// use std::time::Duration;
///
/// let router: Router = Router::new()
///     .route("/", get(local(async || "hello")))
///     .layer(TimeoutLayer::new(Duration::from_secs(10)));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TimeoutLayer {
    limit: Duration,
    status: StatusCode,
}

impl TimeoutLayer {
    /// With this limit.
    pub fn new(limit: Duration) -> Self {
        Self { limit, status: StatusCode::SERVICE_UNAVAILABLE }
    }

    /// The status of the answer in place of 503.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, service: S) -> Timeout<S> {
        Timeout { service, options: *self }
    }
}

/// A service with a limit of time. Made by [`TimeoutLayer`].
#[derive(Debug, Clone, Copy)]
pub struct Timeout<S> {
    service: S,
    options: TimeoutLayer,
}

impl<S, Request, B> Service<Request> for Timeout<S>
where
    S: Service<Request, Response = Response<B>, Future: 'static>,
    B: Default,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = LocalFuture<Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let (answering, options) = (self.service.call(request), self.options);
        LocalFuture::new(async move {
            let scope = CancelScope::new().with_timeout(options.limit);
            let answered = scope.run(async || Ok::<_, Cancelled>(answering.await)).await;
            match answered {
                Ok(Some(answer)) if !scope.cancel_called() => answer,
                _ => {
                    let mut answer = Response::new(B::default());
                    *answer.status_mut() = options.status;
                    Ok(answer)
                }
            }
        })
    }
}
