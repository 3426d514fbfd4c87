//! Trying again.

use super::local::LocalFuture;
use anyio::{foreign, sleep};
use http::{Response, StatusCode};
use std::{
    future::poll_fn,
    task::{Context, Poll},
    time::Duration,
};
use tower_layer::Layer;
use tower_service::Service;

/// When a request is tried again.
pub trait RetryPolicy<Request, Answer, Error> {
    /// The request for another attempt. `None` if it cannot be sent twice.
    fn clone_request(&self, request: &Request) -> Option<Request>;

    /// How long to wait before the next attempt after so many have had this outcome, the last one. `None` if it is final.
    fn delay(&self, attempts: u32, outcome: &Result<Answer, Error>) -> Option<Duration>;
}

/// Tries up to so many times, with a pause that doubles each time: after errors, and after the answers 429, 502, 503 and 504.
///
/// What is not safe to be done twice (`POST`) should not go through this.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// How many attempts there are.
    pub attempts: u32,
    /// The first pause.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
}

impl<Request: Clone, B, Error> RetryPolicy<Request, Response<B>, Error> for Backoff {
    fn clone_request(&self, request: &Request) -> Option<Request> {
        Some(request.clone())
    }

    fn delay(&self, attempts: u32, outcome: &Result<Response<B>, Error>) -> Option<Duration> {
        let passes = match outcome.as_ref().map(Response::status) {
            Ok(status) => matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS
                    | StatusCode::BAD_GATEWAY
                    | StatusCode::SERVICE_UNAVAILABLE
                    | StatusCode::GATEWAY_TIMEOUT
            ),
            Err(_) => true,
        };
        let pause = self.first.saturating_mul(1_u32.checked_shl(attempts - 1).unwrap_or(u32::MAX));
        (passes && attempts < self.attempts).then(|| pause.min(self.longest))
    }
}

/// Has requests tried again as a policy says, with pauses of anyio's time.
///
/// ```
/// use anyio_http::tower::{Backoff, RetryLayer};
/// use std::time::Duration;
///
/// let first = Duration::from_millis(100);
/// let layer = RetryLayer::new(Backoff { attempts: 5, first, longest: Duration::from_secs(2) });
/// # let _ = layer;
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RetryLayer<P>(P);

impl<P> RetryLayer<P> {
    /// By this policy.
    pub fn new(policy: P) -> Self {
        Self(policy)
    }
}

impl<S, P: Clone> Layer<S> for RetryLayer<P> {
    type Service = Retry<S, P>;

    fn layer(&self, service: S) -> Retry<S, P> {
        Retry { service, policy: self.0.clone() }
    }
}

/// A service whose requests are tried again. Made by [`RetryLayer`].
#[derive(Debug, Clone, Copy)]
pub struct Retry<S, P> {
    service: S,
    policy: P,
}

impl<S, P, Request> Service<Request> for Retry<S, P>
where
    S: Service<Request> + Clone + 'static,
    P: RetryPolicy<Request, S::Response, S::Error> + Clone + 'static,
    Request: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = LocalFuture<Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let clone = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, clone);
        let policy = self.policy.clone();
        LocalFuture::new(async move {
            for attempts in 1.. {
                let again = policy.clone_request(&request);
                let outcome = service.call(request).await;
                let Some(again) = again else { return outcome };
                let Some(pause) = policy.delay(attempts, &outcome) else { return outcome };
                // In a cancelled scope what there is has to do.
                if sleep(pause).await.is_err() {
                    return outcome;
                }
                match foreign(poll_fn(|cx| service.poll_ready(cx))).await {
                    Ok(ready) => ready?,
                    Err(_) => return outcome,
                }
                request = again;
            }
            unreachable!("a policy gives up before 2^32 attempts")
        })
    }
}
