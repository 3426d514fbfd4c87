//! axum's routers, with handlers that await anyio.

use crate::{
    client::{body_of, get, http1, http2},
    meeting::Meeting,
};
use anyio::{OnThread, Result, sleep, task_group};
use anyio_http::{Server, axum::local, tower};
use axum::{
    Json, Router,
    extract::{FromRequestParts, Path, Query, State},
    http::{StatusCode, request::Parts},
    routing::{get as getting, post},
};
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use std::{cell::RefCell, collections::HashMap, convert::Infallible, rc::Rc, time::Duration};

type Log = OnThread<Rc<RefCell<Vec<String>>>>;

async fn wait(State(log): State<Log>, Path(name): Path<String>) -> Result<String, StatusCode> {
    sleep(Duration::from_millis(1)).await.map_err(|_cancelled| StatusCode::SERVICE_UNAVAILABLE)?;
    log.borrow_mut().push(name.clone());
    Ok(format!("{name} was here"))
}

async fn sum(Query(query): Query<HashMap<String, i64>>, Json(numbers): Json<Vec<i64>>) -> Json<i64> {
    let local = Rc::new(query["add"]);
    sleep(Duration::ZERO).await.unwrap();
    Json(numbers.iter().sum::<i64>() + *local)
}

fn router(log: Log) -> Router {
    Router::new()
        .route("/wait/{name}", getting(local(wait)))
        .route("/sum", post(local(sum)))
        .route("/plain", getting(async || "plain"))
        .route("/none", getting(local(async || StatusCode::NO_CONTENT)))
        .with_state(log)
}

#[anyio::test]
async fn handlers_await_and_hold_what_is_not_send() -> Result<()> {
    let (meeting, log) = (Meeting::new(), Log::default());
    task_group(async |tg| -> Result<()> {
        let router = router(log.clone());
        tg.start_soon(async { Server::new().serve(&meeting, tower(router)).await });
        let mut sender = http1(tg, meeting.connect()).await;
        assert_eq!(body_of(sender.send_request(get("/wait/ada")).await.unwrap()).await, "ada was here");
        assert_eq!(body_of(sender.send_request(get("/plain")).await.unwrap()).await, "plain");
        assert_eq!(sender.send_request(get("/none")).await.unwrap().status(), 204);
        assert_eq!(sender.send_request(get("/nowhere")).await.unwrap().status(), 404);
        let json = |body: &'static str| {
            let request = Request::post("http://h/sum?add=10").header("content-type", "application/json");
            request.body(Full::new(Bytes::from(body))).unwrap()
        };
        let mut sender = http2(tg, meeting.connect()).await;
        assert_eq!(body_of(sender.send_request(json("[1, 2, 3]")).await.unwrap()).await, "16");
        assert_eq!(sender.send_request(json("[1, 2")).await.unwrap().status(), 400);
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!(*log.borrow(), ["ada"]);
    Ok(())
}

#[anyio::test]
async fn bodies_that_are_too_large_are_refused_by_axum_and_by_the_server() -> Result<()> {
    let meeting = Meeting::new();
    let large = |count: usize| {
        let request = Request::post("/text").body(Full::new(Bytes::from("a".repeat(count))));
        request.unwrap()
    };
    task_group(async |tg| -> Result<()> {
        let router: Router =
            Router::new().route("/text", post(local(async |text: String| text.len().to_string())));
        tg.start_soon(async { Server::new().max_body_bytes(4_000_000).serve(&meeting, tower(router)).await });
        for (count, status) in [(100_000, 200), (3_000_000, 413), (5_000_000, 413)] {
            let mut sender = http1(tg, meeting.connect()).await;
            let answer = sender.send_request(large(count)).await.map(|answer| answer.status().as_u16());
            // What is refused may be closed while it is still being sent.
            assert!(answer.as_ref().map_or(status == 413, |given| *given == status), "{count}: {answer:?}");
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

/// The number of extractors before this one.
struct Turn(usize);

impl<S: Sync> FromRequestParts<S> for Turn {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let turns = parts.extensions.get_or_insert_with(|| 0_usize);
        *turns += 1;
        Ok(Self(*turns - 1))
    }
}

#[expect(clippy::too_many_arguments, reason = "that is what it is about")]
async fn take_sixteen(
    a: Turn,
    b: Turn,
    c: Turn,
    d: Turn,
    e: Turn,
    f: Turn,
    g: Turn,
    h: Turn,
    i: Turn,
    j: Turn,
    k: Turn,
    l: Turn,
    m: Turn,
    n: Turn,
    o: Turn,
    body: String,
) -> String {
    let held = Rc::new(body);
    sleep(Duration::from_millis(1)).await.unwrap();
    let turns = [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o].map(|turn| turn.0);
    format!("{} {turns:?}", *held)
}

#[anyio::test]
async fn a_handler_takes_as_many_extractors_as_one_of_axum() -> Result<()> {
    let meeting = Meeting::new();
    task_group(async |tg| -> Result<()> {
        let router: Router = Router::new().route("/", post(local(take_sixteen)));
        tg.start_soon(async { Server::new().serve(&meeting, tower(router)).await });
        let mut sender = http1(tg, meeting.connect()).await;
        let request = Request::post("/").body(Full::new(Bytes::from("body"))).unwrap();
        let answer = body_of(sender.send_request(request).await.unwrap()).await;
        assert_eq!(answer, format!("body {:?}", Vec::from_iter(0..15)));
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
