//! A limit of requests in a time.

use super::local::LocalFuture;
use anyio::{Error, OnThread, current_time, sleep, sync::Semaphore};
use http::{HeaderValue, Response, StatusCode, header::RETRY_AFTER};
use std::{
    cell::Cell,
    rc::Rc,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tower_layer::Layer;
use tower_service::Service;

/// A time of which nobody sees the end, and that can be added to any other.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// Limits how many requests are handled in a time, by all services that it and its clones are put around together. Others
/// wait for their turn, or are [refused](Self::refuse).
///
/// Each request gives its place back after the whole time, evenly: with 10 in a second, ten may come at once, and then one
/// each tenth of a second.
///
/// ```
/// use anyio_http::tower::RateLimitLayer;
/// use axum::{Router, routing::get};
/// use std::time::Duration;
///
/// let router: Router = Router::new()
///     .route("/", get(async || "hello"))
///     .layer(RateLimitLayer::new(100, Duration::from_secs(1)).refuse());
/// ```
#[derive(Debug, Clone)]
pub struct RateLimitLayer {
    // Not in the services: axum makes these anew for each request where it pleases.
    limiter: OnThread<Rc<Limiter>>,
    refuses: bool,
}

impl RateLimitLayer {
    /// So many requests in such a time.
    ///
    /// # Panics
    /// If the number is 0.
    pub fn new(requests: u32, time: Duration) -> Self {
        assert!(requests > 0, "a rate limit of no requests");
        let interval = time.min(LONGEST) / requests;
        let limiter = Limiter {
            interval,
            ahead: interval * (requests - 1),
            queue: Semaphore::new(1),
            due: Cell::new(None),
        };
        Self { limiter: OnThread::new(Rc::new(limiter)), refuses: false }
    }

    /// Answers 429 with `Retry-After` where a request would have to wait.
    #[must_use]
    pub fn refuse(mut self) -> Self {
        self.refuses = true;
        self
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, service: S) -> RateLimit<S> {
        RateLimit { service, limiter: self.limiter.clone(), refuses: self.refuses }
    }
}

/// The limit of all services of a layer (a leaky bucket as a meter, by the moment at which it is empty).
#[derive(Debug)]
struct Limiter {
    /// From one request to the next, if they come evenly.
    interval: Duration,
    /// How far ahead of that requests may be.
    ahead: Duration,
    /// Who waits for the next place, in the order in which they came. No lock, as requests of one task may wait beside each
    /// other.
    queue: Semaphore,
    /// When the next request would be due if they came evenly.
    due: Cell<Option<Instant>>,
}

impl Limiter {
    /// How long the next request has to wait.
    fn wait(&self) -> Duration {
        let next = self.due.get().and_then(|due| due.checked_sub(self.ahead));
        next.map_or(Duration::ZERO, |next| next.saturating_duration_since(current_time()))
    }

    fn take(&self) {
        let now = current_time();
        self.due.set(Some(self.due.get().map_or(now, |due| due.max(now)) + self.interval));
    }

    /// Waits for a place, or gives the time that one would have to wait.
    async fn enter(&self, refuses: bool) -> Result<Result<(), Duration>, Error> {
        if !refuses {
            let _turn = self.queue.acquire().await?;
            let wait = self.wait();
            if wait > Duration::ZERO {
                sleep(wait).await?;
            }
            self.take();
            return Ok(Ok(()));
        }
        let wait = self.wait();
        if wait > Duration::ZERO {
            return Ok(Err(wait));
        }
        self.take();
        Ok(Ok(()))
    }
}

/// A service with a limit of requests. Made by [`RateLimitLayer`].
#[derive(Debug, Clone)]
pub struct RateLimit<S> {
    service: S,
    limiter: OnThread<Rc<Limiter>>,
    refuses: bool,
}

impl<S, Request, B> Service<Request> for RateLimit<S>
where
    S: Service<Request, Response = Response<B>> + Clone + 'static,
    Request: 'static,
    B: Default,
{
    type Response = Response<B>;
    type Error = S::Error;
    type Future = LocalFuture<Result<Response<B>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The service that is ready is the one to call.
        let clone = self.service.clone();
        let mut service = std::mem::replace(&mut self.service, clone);
        let (limiter, refuses) = (Rc::clone(&self.limiter), self.refuses);
        LocalFuture::new(async move {
            match limiter.enter(refuses).await {
                Ok(Ok(())) => service.call(request).await,
                Ok(Err(wait)) => {
                    let mut answer = status(StatusCode::TOO_MANY_REQUESTS);
                    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
                    Ok(answer)
                }
                // Nobody gets the answer to a request that is cancelled.
                Err(_) => Ok(status(StatusCode::SERVICE_UNAVAILABLE)),
            }
        })
    }
}

fn status<B: Default>(status: StatusCode) -> Response<B> {
    let mut answer = Response::new(B::default());
    *answer.status_mut() = status;
    answer
}
