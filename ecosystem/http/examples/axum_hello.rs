//! An axum service whose handlers await anyio. Try `curl localhost:8080/` and `curl -d '{"name": "Ada"}' -H
//! 'content-type: application/json' localhost:8080/hello`; Ctrl-C ends it once requests are answered.

use anyio::{Builder, Interrupt, OnThread, Result, net::TcpListener, sleep};
use anyio_http::{Server, axum::local, tower};
use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use serde::Deserialize;
use std::{cell::Cell, env, rc::Rc, time::Duration};

type Visits = OnThread<Rc<Cell<u64>>>;

async fn visit(State(visits): State<Visits>) -> Result<String, StatusCode> {
    sleep(Duration::from_millis(10)).await.map_err(|_cancelled| StatusCode::SERVICE_UNAVAILABLE)?;
    visits.set(visits.get() + 1);
    Ok(format!("visit {}\n", visits.get()))
}

#[derive(Deserialize)]
struct Guest {
    name: String,
}

async fn hello(Json(guest): Json<Guest>) -> String {
    format!("hello {}\n", guest.name)
}

fn main() -> Result<()> {
    // Ctrl-C and SIGTERM let requests be answered, for so long.
    Builder::new().interrupt(Interrupt::Finish(Duration::from_secs(10))).run(serve)?
}

async fn serve() -> Result<()> {
    let port = env::args().nth(1).unwrap_or("8080".into());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let router = Router::new()
        .route("/", get(local(visit)))
        .route("/hello", post(hello))
        .with_state(Visits::default());
    Server::new().serve(&listener, tower(router)).await?;
    Ok(())
}
