//! A page that stays connected: what is said on it goes to everybody who looks at it, by a WebSocket, and a clock ticks by
//! server-sent events. Try `http://localhost:8080/` in two windows; Ctrl-C ends it.

use anyio::{
    Builder, CancelAware, Interrupt, OnThread, Result,
    net::TcpListener,
    sleep,
    streams::broadcast::{self, BroadcastSender, Received},
    task_group,
};
use anyio_http::{
    Server,
    axum::{WebSocketUpgrade, local, produce_events},
    tower,
    websocket::{Message, WebSocket},
};
use axum::{
    Router,
    extract::State,
    response::{
        Html, IntoResponse, Response,
        sse::{Event, Sse},
    },
    routing::{any, get},
};
use std::{env, time::Duration};

type Room = OnThread<BroadcastSender<String>>;

/// Passes on what one says to all, and what all say to one.
async fn talk(socket: WebSocket, room: BroadcastSender<String>) -> Result<()> {
    let mut said = room.subscribe();
    let (mut receive, mut send) = socket.split();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            while let Some(received) = said.receive().await? {
                match received {
                    Received::Item(line) => send.send(line).await?,
                    Received::Missed(count) => send.send(format!("({count} lines were missed)")).await?,
                }
            }
            anyio::Ok(())
        });
        while let Some(message) = receive.receive().await? {
            if let Message::Text(line) = message {
                println!("said: {line}");
                room.send(line);
            }
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

async fn join(State(room): State<Room>, upgrade: WebSocketUpgrade) -> Response {
    let room = room.into_inner();
    upgrade.on_upgrade(async move |socket| {
        if let Err(error) = talk(socket, room).await
            && !error.is_cancelled()
        {
            eprintln!("somebody has left: {error}");
        }
    })
}

async fn clock() -> impl IntoResponse {
    Sse::new(produce_events(async |events| {
        for second in 0.. {
            events.send(Event::default().data(second.to_string())).await?;
            sleep(Duration::from_secs(1)).await?;
        }
        Ok(())
    }))
}

const PAGE: &str = r#"<!doctype html><title>live</title>
<p>Second <b id=second></b></p><input id=line autofocus placeholder="say something"><ul id=said></ul>
<script>
new EventSource("/clock").onmessage = event => {
    second.textContent = event.data
    if (event.data == 2) socket.send("somebody has been here for two seconds")
}
const socket = new WebSocket(`ws://${location.host}/room`)
socket.onopen = () => socket.send("somebody has come")
socket.onmessage = event => said.append(Object.assign(document.createElement("li"), {textContent: event.data}))
line.onchange = () => { socket.send(line.value); line.value = "" }
</script>
"#;

fn main() -> Result<()> {
    // Pages that are open would go on for ever.
    match Builder::new().interrupt(Interrupt::Finish(Duration::from_secs(1))).run(serve)? {
        Err(error) if error.is_cancelled() => Ok(()),
        ended => ended,
    }
}

async fn serve() -> Result<()> {
    let port = env::args().nth(1).unwrap_or("8080".into());
    let listener = TcpListener::bind(format!("127.0.0.1:{port}")).await?;
    println!("listening on http://{}", listener.local_addr()?);
    let (room, _) = broadcast::channel(16);
    let router = Router::new()
        .route("/", get(async || Html(PAGE)))
        .route("/room", any(local(join)))
        .route("/clock", get(local(clock)))
        .with_state(Room::new(room));
    Server::new().serve(&listener, tower(router)).await?;
    Ok(())
}
