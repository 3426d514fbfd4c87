//! Clients and servers that are cut short at each of their checkpoints.

use crate::{asking::options, client::text, meeting::Meeting};
use anyio::{
    Result, shield, sleep, task_group,
    testing::{Everywhere, cancel_everywhere},
    using,
};
use anyio_http::{
    Client, ProducedBody, RequestBody, Server, produce_body,
    websocket::{self, Message, WebSocket, WebSocketOptions},
};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use std::{cell::Cell, rc::Rc, time::Duration};

/// A server, and what is known of its handlers.
struct House {
    server: Server<'static>,
    meeting: Rc<Meeting>,
    begun: Rc<Cell<usize>>,
    ended: Rc<Cell<usize>>,
}

impl House {
    fn new() -> Self {
        Self {
            server: Server::new().max_requests(3).extended_connect(true),
            meeting: Rc::new(Meeting::new()),
            begun: Rc::default(),
            ended: Rc::default(),
        }
    }

    /// Runs what has to be cleaned up.
    async fn visit<T>(
        begun: &Cell<usize>,
        ended: &Cell<usize>,
        stay: impl AsyncFnOnce() -> Result<T>,
    ) -> Result<T> {
        begun.set(begun.get() + 1);
        let leave = async |()| -> Result<()> {
            shield(sleep(Duration::from_millis(3))).await?;
            ended.set(ended.get() + 1);
            Ok(())
        };
        using((), async |()| stay().await, leave).await
    }

    async fn with_client<H, B>(
        &self,
        only_http2: bool,
        handler: H,
        ask: impl AsyncFnOnce(&Client) -> Result<()>,
    ) -> Result<()>
    where
        H: AsyncFn(Request<RequestBody>) -> Result<Response<B>>,
        B: http_body::Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + 'static,
    {
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { self.server.serve(&*self.meeting, &handler).await });
            options(&self.meeting).only_http2(only_http2).run(ask).await?;
            tg.cancel();
            Ok(())
        })
        .await?;
        Ok(())
    }

    fn check(self) {
        assert_eq!(self.begun.get(), self.ended.get(), "a handler was not awaited");
        let statistics = self.server.statistics();
        assert_eq!((statistics.connections, statistics.requests), (0, 0), "{statistics:?}");
        assert_eq!((statistics.failed, statistics.panicked), (0, 0), "{statistics:?}");
    }
}

/// Cuts a body short at each of its checkpoints, with each version of HTTP. Not its children alone: a request whose connection
/// alone is cancelled has failed. What is dropped is not awaited, and leaves only nothing of the runtime's.
async fn cut_short(body: impl AsyncFn(&House, bool) -> Result<()>) {
    for only_http2 in [false, true] {
        let setup = async || House::new();
        let visited = async |house: &mut House| body(house, only_http2).await;
        for manner in [Everywhere::cancel().children(false).pairs(0, 1), Everywhere::timeout()] {
            cancel_everywhere(manner, setup, visited, async |house: House, _| house.check()).await;
        }
        cancel_everywhere(Everywhere::drop(), setup, visited, async |_, _| ()).await;
    }
}

#[anyio::test(clock = "virtual", calm = "each of its runs is cut short elsewhere")]
async fn requests_and_their_handlers_are_cleaned_up() {
    cut_short(async |house, only_http2| {
        let handler = async |request: Request<RequestBody>| -> Result<Response<Full<Bytes>>> {
            House::visit(&house.begun, &house.ended, async || {
                let path = request.uri().path().to_owned();
                let body = request.into_body().collect().await;
                let body = body.map_err(std::io::Error::other)?.to_bytes();
                sleep(Duration::from_millis(1)).await?;
                Ok(text(format!("{path} {}", String::from_utf8_lossy(&body))))
            })
            .await
        };
        let ask = async |client: &Client| {
            let answer = client.post("http://h/one").body("body").send().await?;
            assert_eq!(answer.text().await?, "/one body");
            assert_eq!(client.get("http://h/two").send().await?.text().await?, "/two ");
            Ok(())
        };
        house.with_client(only_http2, handler, ask).await
    })
    .await;
}

#[anyio::test(clock = "virtual", calm = "each of its runs is cut short elsewhere")]
async fn bodies_that_tasks_make_are_cleaned_up() {
    cut_short(async |house, only_http2| {
        let (begun, ended) = (house.begun.clone(), house.ended.clone());
        let handler = async |_: Request<RequestBody>| -> Result<Response<ProducedBody>> {
            let (begun, ended) = (begun.clone(), ended.clone());
            Ok(produce_body(Response::new(()), async move |body| {
                House::visit(&begun, &ended, async || {
                    for piece in ["one ", "two ", "three"] {
                        body.send(piece).await?;
                    }
                    Ok(())
                })
                .await
            }))
        };
        let ask = async |client: &Client| {
            assert_eq!(client.get("http://h/").send().await?.text().await?, "one two three");
            Ok(())
        };
        house.with_client(only_http2, handler, ask).await
    })
    .await;
}

#[anyio::test(clock = "virtual", calm = "each of its runs is cut short elsewhere")]
async fn web_sockets_are_cleaned_up() {
    cut_short(async |house, only_http2| {
        let (begun, ended) = (house.begun.clone(), house.ended.clone());
        let handler = async |mut request: Request<RequestBody>| {
            let (begun, ended) = (begun.clone(), ended.clone());
            let echo = async move |mut socket: WebSocket| {
                let echoed = House::visit(&begun, &ended, async || {
                    while let Some(message) = socket.receive().await? {
                        socket.send(message).await?;
                    }
                    Ok(())
                });
                drop(echoed.await);
            };
            let answer = websocket::upgrade(&mut request, &WebSocketOptions::new(), echo);
            Ok(answer.unwrap_or_else(|refused| refused.answer()))
        };
        let ask = async |client: &Client| {
            let mut socket = client.get("ws://h/").websocket(&WebSocketOptions::new()).await?;
            socket.send("hello").await?;
            assert_eq!(socket.receive().await?, Some(Message::from("hello")));
            socket.close(None).await
        };
        house.with_client(only_http2, handler, ask).await
    })
    .await;
}
