//! Layers: our own whose time is anyio's, and others' as they are.

use crate::{asking::options, meeting::Meeting};
use anyio::{Error, Result, current_time, net::TcpListener, sleep, sync::Event, task_group};
use anyio_http::{
    Client, ClientOptions, ConnectionInfo, Proxies, Server,
    axum::local,
    tower,
    tower::{Backoff, Buffer, RateLimitLayer, RetryLayer, TimeoutLayer, with_connection_info},
};
use axum::{Router, routing::get};
use http::{Request, Response, StatusCode, header};
use std::{
    cell::Cell,
    convert::Infallible,
    future::{Ready, ready},
    rc::Rc,
    sync::atomic::{AtomicU32, Ordering},
    task::{Context, Poll},
    time::Duration,
};
use tower_http::{cors::CorsLayer, trace::TraceLayer};
use tower_layer::Layer;
use tower_service::Service;

const SECOND: Duration = Duration::from_secs(1);

/// Runs a body with a client of a server of this router.
async fn with_router(router: Router, body: impl AsyncFnOnce(&Client) -> Result<()>) -> Result<()> {
    let meeting = Rc::new(Meeting::new());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&*meeting, tower(router)).await });
        options(&meeting).run(body).await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_handler_that_takes_too_long_is_cancelled_and_awaited() -> Result<()> {
    let cleaned = anyio::OnThread::new(Rc::new(Cell::new(0)));
    let at = cleaned.clone();
    let slow = local(async move || {
        if sleep(10 * SECOND).await.is_err() {
            anyio::shield(sleep(SECOND)).await.unwrap();
            at.set(at.get() + 1);
        }
        "late"
    });
    let router = Router::new()
        .route("/slow", get(slow))
        .route("/fast", get(local(async || sleep(SECOND).await.map(|()| "in time").unwrap_or("cancelled"))))
        .layer(TimeoutLayer::new(3 * SECOND).status(StatusCode::GATEWAY_TIMEOUT));
    with_router(router, async |client| {
        let begun = current_time();
        assert_eq!(client.get("http://h/slow").send().await?.status(), 504);
        assert_eq!((current_time() - begun, cleaned.get()), (4 * SECOND, 1));
        assert_eq!(client.get("http://h/fast").send().await?.text().await?, "in time");
        Ok(())
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn requests_beyond_a_rate_wait_or_are_refused() -> Result<()> {
    let plain = || get(async || "hello");
    let router = Router::new()
        .route("/waits", plain().layer(RateLimitLayer::new(5, SECOND)))
        .route("/refuses", plain().layer(RateLimitLayer::new(2, 4 * SECOND).refuse()));
    with_router(router, async |client| {
        let begun = current_time();
        // Five at once, and then one each fifth of a second.
        anyio::amap(
            async |_| -> Result<()> {
                assert_eq!(client.get("http://h/waits").send().await?.text().await?, "hello");
                Ok(())
            },
            0..15,
        )
        .await?;
        assert_eq!(current_time() - begun, 2 * SECOND);
        // One that gives up takes no place.
        let impatient = async { Ok::<_, Error>(client.get("http://h/waits").send().await?) };
        assert!(anyio::move_on_after(SECOND / 10, impatient).await?.is_none());
        assert!(client.get("http://h/waits").send().await?.status().is_success());
        assert_eq!(current_time() - begun, 2 * SECOND + SECOND / 5);
        let refuses = async || -> Result<_> {
            let answer = client.get("http://h/refuses").send().await?;
            let after =
                answer.headers().get(header::RETRY_AFTER).map(|after| after.to_str().unwrap().to_owned());
            Ok((answer.status().as_u16(), after))
        };
        assert_eq!(refuses().await?, (200, None));
        assert_eq!(refuses().await?, (200, None));
        assert_eq!(refuses().await?, (429, Some("2".into())));
        sleep(2 * SECOND).await?;
        assert_eq!(refuses().await?, (200, None));
        assert_eq!(refuses().await?.0, 429);
        Ok(())
    })
    .await
}

#[anyio::test(clock = "virtual")]
async fn requests_of_one_task_wait_for_their_rate_like_others() -> Result<()> {
    let limited = RateLimitLayer::new(1, SECOND).layer(Flaky(Rc::new(Cell::new(4))));
    let begun = current_time();
    let ask = || limited.clone().call(Request::new(String::new()));
    let answers = futures_util::future::join_all([ask(), ask(), ask()]).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().status() == StatusCode::OK), "{answers:?}");
    assert_eq!(current_time() - begun, 2 * SECOND);
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_rate_may_be_as_slow_as_one_likes() -> Result<()> {
    let limited = RateLimitLayer::new(1, Duration::MAX).refuse().layer(Flaky(Rc::new(Cell::new(4))));
    let ask = || limited.clone().call(Request::new(String::new()));
    assert_eq!(ask().await.unwrap().status(), 200);
    assert_eq!(ask().await.unwrap().status(), 429);
    Ok(())
}

/// A service that is not ready before it is told so, and counts its calls.
struct Gate(Rc<Event>, Rc<Cell<u32>>);

impl Service<Request<String>> for Gate {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<std::result::Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        if self.0.is_set() {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        self.1.set(self.1.get() + 1);
        ready(Ok(Response::new(request.into_body())))
    }
}

#[anyio::test]
async fn a_queue_gives_up_who_has_given_up() -> Result<()> {
    let (gate, calls) = (Rc::new(Event::new()), Rc::new(Cell::new(0)));
    task_group(async |tg| -> Result<()> {
        let mut shared = Buffer::in_group(tg, Gate(gate.clone(), calls.clone()), 8);
        for _ in 0..3 {
            let asked = shared.call(Request::new(String::new()));
            let mut asked = tg.start_soon(async {
                drop(asked.await);
                Ok(())
            });
            anyio::lowlevel::checkpoint().await?;
            asked.cancel();
            assert_eq!(asked.outcome().await?, Ok(()));
        }
        gate.set();
        assert_eq!(shared.call(Request::new("last".to_owned())).await.unwrap().into_body(), "last");
        assert_eq!(calls.get(), 1);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

/// A service that is never ready, by a future of others.
#[derive(Clone)]
struct Never;

impl<R> Service<Request<R>> for Never {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<std::result::Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Pending
    }

    fn call(&mut self, _: Request<R>) -> Self::Future {
        unreachable!("it is never ready")
    }
}

#[anyio::test(clock = "virtual")]
async fn a_service_that_is_never_ready_is_given_up_in_time() -> Result<()> {
    let meeting = Rc::new(Meeting::new());
    let server = Server::new().request_timeout(SECOND);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&*meeting, tower(Never)).await });
        let client = options(&meeting).in_group(tg);
        let answer =
            anyio::fail_after(5 * SECOND, async { Ok::<_, Error>(client.get("http://h/").send().await?) });
        assert_eq!(answer.await?.status(), 503);
        assert_eq!(server.statistics().failed, 0);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

/// A service that cannot be cloned, and is ready for one request at a time.
struct Counter(u32);

impl Service<Request<String>> for Counter {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<std::result::Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        self.0 += 1;
        ready(Ok(Response::new(format!("{} {}", request.body(), self.0))))
    }
}

#[anyio::test]
async fn a_queue_makes_a_service_one_to_share() -> Result<()> {
    let mut left = None;
    task_group(async |tg| -> Result<()> {
        let shared = Buffer::in_group(tg, Counter(0), 2);
        let answers = anyio::amap(
            async |n: u32| -> Result<String> {
                let mut service = shared.clone();
                Ok(service.call(Request::new(format!("request {n}"))).await.unwrap().into_body())
            },
            1..=10,
        )
        .await?;
        for (n, answer) in (1..).zip(&answers) {
            assert!(answer.starts_with(&format!("request {n} ")), "{answers:?}");
        }
        let mut counts: Vec<u32> =
            answers.iter().map(|answer| answer.rsplit(' ').next().unwrap().parse().unwrap()).collect();
        counts.sort_unstable();
        assert_eq!(counts, Vec::from_iter(1..=10));
        left = Some(shared);
        tg.cancel();
        Ok(())
    })
    .await?;
    // What comes when the group is over is told so.
    assert_eq!(left.unwrap().call(Request::new(String::new())).await.unwrap().status(), 503);
    Ok(())
}

#[derive(Clone)]
struct Flaky(Rc<Cell<u32>>);

impl Service<Request<String>> for Flaky {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<std::result::Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<std::result::Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        self.0.set(self.0.get() + 1);
        let mut answer = Response::new(request.into_body());
        if self.0.get() < 4 {
            *answer.status_mut() = StatusCode::BAD_GATEWAY;
        }
        ready(Ok(answer))
    }
}

#[anyio::test(clock = "virtual")]
async fn failures_are_tried_again_with_pauses() -> Result<()> {
    let attempts = |attempts| RetryLayer::new(Backoff { attempts, first: SECOND, longest: 3 * SECOND });
    for (most, status, made, time) in [(2, 502, 2, SECOND), (4, 200, 4, 6 * SECOND), (9, 200, 4, 6 * SECOND)]
    {
        let (calls, begun) = (Rc::new(Cell::new(0)), current_time());
        let mut service = attempts(most).layer(Flaky(calls.clone()));
        let answer = service.call(Request::new("again".into())).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.body().as_str()), (status, "again"));
        assert_eq!((calls.get(), current_time() - begun), (made, time));
    }
    Ok(())
}

#[anyio::test]
async fn layers_without_a_clock_are_used_as_they_are() -> Result<()> {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    let trace = TraceLayer::new_for_http().on_response(|_: &Response<_>, _: Duration, _: &tracing::Span| {
        SEEN.fetch_add(1, Ordering::Relaxed);
    });
    let router = Router::new()
        .route("/", get(local(async || sleep(Duration::from_millis(1)).await.map(|()| "hello").unwrap())))
        .layer(CorsLayer::permissive())
        .layer(trace);
    with_router(router, async |client| {
        let answer = client.get("http://h/").header(header::ORIGIN, "http://elsewhere").send().await?;
        assert_eq!(answer.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert_eq!(answer.text().await?, "hello");
        let asked = client
            .request(http::Method::OPTIONS, "http://h/")
            .header(header::ORIGIN, "http://elsewhere")
            .header(header::ACCESS_CONTROL_REQUEST_METHOD, "DELETE");
        let answer = asked.send().await?;
        assert!(answer.headers().contains_key(header::ACCESS_CONTROL_ALLOW_METHODS));
        assert!(SEEN.load(Ordering::Relaxed) >= 2);
        Ok(())
    })
    .await
}

#[anyio::test]
async fn handlers_know_who_asks() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let who = async |connection: ConnectionInfo| {
        format!("{} {}", connection.peer_address().unwrap().ip(), connection.local_address().unwrap())
    };
    let router: Router = Router::new().route("/", get(who));
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&listener, tower(with_connection_info(router))).await });
        let options = ClientOptions::new().proxies(Proxies::none());
        let answer =
            options.run(async |client| client.get(format!("http://{address}/")).send().await?.text().await);
        assert_eq!(answer.await?, format!("127.0.0.1 {address}"));
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
