//! Clients and servers that are cut short at each of their checkpoints.

use crate::{
    asking::options,
    client::{receive_until, text},
    meeting::Meeting,
};
use anyio::{
    CancelScope, Error, Result,
    net::UnixStream,
    shield, sleep,
    streams::{ByteReceiveStream, ByteSendStream, Listener, memory},
    task_group,
    tempfile::TemporaryDirectory,
    testing::{Everywhere, cancel_everywhere},
    using,
};
use anyio_http::{
    BodyError, Client, ClientBody, ProducedBody, RequestBody, Server, UpgradedStream,
    axum::produce_events,
    files::ServeDir,
    multipart, on_upgrade, produce_body,
    websocket::{self, Message, WebSocket, WebSocketOptions},
};
use axum::response::{
    IntoResponse,
    sse::{Event, Sse},
};
use bytes::Bytes;
use futures_util::{AsyncReadExt, AsyncWriteExt};
use http::{
    HeaderMap, Request, Response, StatusCode, Version,
    header::{CONNECTION, UPGRADE},
};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use std::{cell::Cell, future::poll_fn, pin::pin, rc::Rc, task::Poll, time::Duration};

/// Names the items whose sentence about cancelling a test asserts, as `FILE::TYPE::FUNCTION`, the file without `src/` and `.rs`.
/// The test `completeness` of anyio reads these names.
macro_rules! covers {
    ($($item:literal),* $(,)?) => {
        const _: &[&str] = &[$($item),*];
    };
}

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
    covers![
        "client/options::ClientOptions::run",
        "client/request::ClientRequest::send",
        "client/response::ClientResponse::text",
        "server::Server::serve",
    ];
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
    covers![
        "client/response::ClientResponse::bytes",
        "server/production::BodySender::send",
        "server/production::BodySender::send_frame",
        "server/production::BodySender::send_trailers",
    ];
    cut_short(async |house, only_http2| {
        let (begun, ended) = (house.begun.clone(), house.ended.clone());
        let handler = async |_: Request<RequestBody>| -> Result<Response<ProducedBody>> {
            let (begun, ended) = (begun.clone(), ended.clone());
            Ok(produce_body(Response::new(()), async move |body| {
                House::visit(&begun, &ended, async || {
                    for piece in ["one ", "two "] {
                        body.send(piece).await?;
                    }
                    body.send_frame(Frame::data(Bytes::from("three"))).await?;
                    body.send_trailers(HeaderMap::new()).await
                })
                .await
            }))
        };
        let ask = async |client: &Client| {
            assert_eq!(client.get("http://h/").send().await?.bytes().await?, "one two three");
            Ok(())
        };
        house.with_client(only_http2, handler, ask).await
    })
    .await;
}

#[anyio::test(clock = "virtual", calm = "each of its runs is cut short elsewhere")]
async fn web_sockets_are_cleaned_up() {
    covers![
        "client/request::ClientRequest::websocket",
        "websocket/socket::WebSocket::close",
        "websocket/socket::WebSocket::receive",
        "websocket/socket::WebSocket::send",
    ];
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

#[anyio::test(clock = "virtual", calm = "each of its runs is cut short elsewhere")]
async fn answers_are_given_up_as_json_and_as_they_are() {
    covers!["client::Client::execute", "client/response::ClientResponse::json",];
    cut_short(async |house, only_http2| {
        let handler = async |_: Request<RequestBody>| {
            House::visit(&house.begun, &house.ended, async || Ok(text("[1, 2]"))).await
        };
        let ask = async |client: &Client| {
            let numbers: Vec<i32> = client.get("http://h/").send().await?.json().await?;
            assert_eq!(numbers, [1, 2]);
            let request = Request::get("http://h/").body(ClientBody::default()).unwrap();
            let answer = client.execute(request).await?;
            let body = answer.into_body().collect().await.map_err(Error::from)?;
            assert_eq!(body.to_bytes(), "[1, 2]");
            Ok(())
        };
        house.with_client(only_http2, handler, ask).await
    })
    .await;
}

#[anyio::test(clock = "virtual", calm = "each of its runs is cut short elsewhere")]
async fn the_body_that_a_client_runs_is_awaited() {
    covers!["client::Client::run"];
    cut_short(async |house, _| {
        Client::run(async |_| {
            House::visit(&house.begun, &house.ended, async || Ok(sleep(Duration::from_millis(1)).await?))
                .await
        })
        .await
    })
    .await;
}

#[anyio::test(clock = "virtual", calm = "each of its runs is cut short elsewhere")]
async fn connections_that_have_become_something_else_are_closed() {
    covers!["client/response::ClientResponse::upgrade"];
    cut_short(async |house, only_http2| {
        let (begun, ended) = (house.begun.clone(), house.ended.clone());
        let handler = async |mut request: Request<RequestBody>| {
            let (begun, ended) = (begun.clone(), ended.clone());
            let echo = async move |stream: UpgradedStream| {
                let echoed = House::visit(&begun, &ended, async || {
                    let (read, mut write) = stream.split();
                    futures_util::io::copy(read, &mut write).await?;
                    write.close().await?;
                    Ok(())
                });
                drop(echoed.await);
            };
            on_upgrade(&mut request, echo).unwrap();
            let mut answer = text("");
            if request.version() < Version::HTTP_2 {
                *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
                answer.headers_mut().insert(UPGRADE, "echo".parse().unwrap());
            }
            Ok(answer)
        };
        let ask = async |client: &Client| {
            // Only a WebSocket asks for more than this over HTTP/2.
            if only_http2 {
                return Ok(());
            }
            let request = client.get("http://h/").header(CONNECTION, "upgrade").header(UPGRADE, "echo");
            let mut stream = request.send().await?.upgrade().await?;
            stream.write_all(b"hello").await?;
            let mut bytes = [0; 5];
            stream.read_exact(&mut bytes).await?;
            assert_eq!(&bytes, b"hello");
            stream.close().await?;
            Ok(())
        };
        house.with_client(only_http2, handler, ask).await
    })
    .await;
}

#[anyio::test(clock = "virtual", calm = "each of its runs is cut short elsewhere")]
async fn events_are_sent_or_not() {
    covers!["axum/events::EventSender::send"];
    cut_short(async |house, only_http2| {
        let handler = async |_: Request<RequestBody>| {
            let events = produce_events(async |events| {
                for number in 0..3 {
                    events.send(Event::default().data(number.to_string())).await?;
                }
                Ok(())
            });
            Ok(Sse::new(events).into_response())
        };
        let ask = async |client: &Client| {
            let answer = client.get("http://h/").send().await?.text().await?;
            assert_eq!(answer, "data: 0\n\ndata: 1\n\ndata: 2\n\n");
            Ok(())
        };
        house.with_client(only_http2, handler, ask).await
    })
    .await;
}

#[anyio::test(calm = "each of its runs is cut short elsewhere")]
async fn files_leave_nothing_behind() {
    covers![
        "client/multipart::Part::file",
        "files/serve_dir::ServeDir::answer",
        "files/serve_dir::ServeDir::new",
    ];
    let setup = async || {
        let folder = TemporaryDirectory::new().await.unwrap();
        folder.path().join("file").write_bytes("content").await.unwrap();
        folder
    };
    let body = async |folder: &mut TemporaryDirectory| -> Result<()> {
        let files = ServeDir::new(folder.path()).await?;
        let answer = files.answer(&Request::get("/file").body(()).unwrap()).await?;
        assert_eq!(answer.status(), StatusCode::OK);
        drop(multipart::Part::file(folder.path().join("file")).await?);
        Ok(())
    };
    // What is left open is told by this.
    let check = async |folder: TemporaryDirectory, _| folder.close().await.unwrap();
    cancel_everywhere(Everywhere::cancel().allow_differences(), &setup, &body, &check).await;
    cancel_everywhere(Everywhere::drop().allow_differences(), &setup, &body, &check).await;
}

/// Runs an operation to its end, but cancels it each time that it has to wait, and calls it again.
async fn cancelled_at_each_wait<T>(mut operation: impl AsyncFnMut() -> Result<T>) -> Result<T> {
    loop {
        let scope = CancelScope::new();
        let ran = {
            let mut future = pin!(scope.run(async || operation().await));
            match poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
                Poll::Ready(ran) => ran,
                Poll::Pending => {
                    sleep(Duration::from_millis(1)).await?;
                    scope.cancel();
                    future.await
                }
            }
        };
        if let Some(result) = ran? {
            return Ok(result);
        }
    }
}

#[anyio::test(clock = "virtual")]
async fn no_byte_of_a_body_is_lost_where_reading_is_cancelled() -> Result<()> {
    covers![
        "client/response::ClientResponse::chunk",
        "client/response_body::ResponseBody",
        "server/body::RequestBody",
    ];
    let bytes: Vec<u8> = (0..300_000u32).map(|n| (n ^ (n >> 8)) as u8).collect();
    for only_http2 in [false, true] {
        let house = House::new();
        let handler = async |request: Request<RequestBody>| -> Result<Response<ProducedBody>> {
            let mut body = request.into_body();
            let mut received = Vec::new();
            while let Some(frame) = cancelled_at_each_wait(async || match body.frame().await {
                Some(Err(BodyError::Cancelled(cancelled))) => Err(cancelled.into()),
                frame => Ok(frame.transpose().map_err(std::io::Error::other)?),
            })
            .await?
            {
                received.extend_from_slice(&frame.into_data().unwrap());
            }
            Ok(produce_body(Response::new(()), async move |body| {
                for piece in received.chunks(7_000) {
                    body.send(piece.to_vec()).await?;
                    sleep(Duration::from_micros(1500)).await?;
                }
                Ok::<_, Error>(())
            }))
        };
        let ask = async |client: &Client| {
            for by_frames in [false, true] {
                let mut answer = client.post("http://h/").body(bytes.clone()).send().await?;
                let mut received = Vec::new();
                if by_frames {
                    let mut body = answer.into_body();
                    while let Some(frame) =
                        cancelled_at_each_wait(async || Ok(body.frame().await.transpose()?)).await?
                    {
                        received.extend_from_slice(&frame.into_data().unwrap());
                    }
                } else {
                    while let Some(chunk) = cancelled_at_each_wait(async || Ok(answer.chunk().await?)).await?
                    {
                        received.extend_from_slice(&chunk);
                    }
                }
                assert!(received == bytes, "{} of {}", received.len(), bytes.len());
            }
            Ok(())
        };
        house.with_client(only_http2, handler, ask).await?;
    }
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn no_byte_of_an_upgraded_connection_is_lost_where_it_is_cancelled() -> Result<()> {
    covers!["io::HyperIo", "upgraded::UpgradedStream",];
    let bytes: Vec<u8> = (0..300_000u32).map(|n| (n ^ (n >> 8)) as u8).collect();
    // What hyper has upgraded is read and written by way of what hyper reads and writes.
    let (sender, door) = memory::unbounded();
    let (ours, theirs) = UnixStream::pair()?;
    sender.send_nowait(theirs).unwrap();
    let listener = Once(door);
    let handler = async |mut request: Request<RequestBody>| {
        let echo = async |mut stream: UpgradedStream| {
            let mut piece = vec![0; 9_000];
            let echoed = async {
                loop {
                    let count = cancelled_at_each_wait(async || Ok(stream.read(&mut piece).await?)).await?;
                    if count == 0 {
                        break;
                    }
                    let mut sent = 0;
                    while sent < count {
                        sent +=
                            cancelled_at_each_wait(async || Ok(stream.write(&piece[sent..count]).await?))
                                .await?;
                    }
                }
                cancelled_at_each_wait(async || Ok(stream.flush().await?)).await?;
                Ok::<_, Error>(stream.close().await?)
            };
            echoed.await.unwrap();
        };
        on_upgrade(&mut request, echo).unwrap();
        let mut answer = text("");
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        answer.headers_mut().insert(UPGRADE, "echo".parse().unwrap());
        Ok::<_, Error>(answer)
    };
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&listener, handler).await });
        let (mut receive, mut send) = ours.split();
        let ask = "GET / HTTP/1.1\r\nHost: h\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";
        ByteSendStream::send(&mut send, ask).await?;
        receive_until(&mut receive, "\r\n\r\n").await?;
        let all = bytes.clone();
        tg.start_soon(async move {
            ByteSendStream::send(&mut send, all).await?;
            ByteSendStream::send_eof(&mut send).await
        });
        let mut received = Vec::new();
        while let Some(chunk) = ByteReceiveStream::receive(&mut receive).await? {
            received.extend_from_slice(&chunk);
        }
        assert!(received == bytes, "{} of {}", received.len(), bytes.len());
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

/// Gives the streams that the other end is given.
struct Once(memory::ReceiveStream<UnixStream>);

impl Listener for Once {
    type Stream = UnixStream;

    async fn accept(&self) -> Result<UnixStream> {
        self.0.receive().await?.ok_or(Error::EndOfStream)
    }

    async fn close(self) -> Result<()> {
        Ok(())
    }
}

#[anyio::test(clock = "virtual")]
async fn no_message_is_lost_nor_torn_where_a_half_of_a_socket_is_cancelled() -> Result<()> {
    covers![
        "websocket/socket::WebSocketReceiveHalf::receive",
        "websocket/socket::WebSocketSendHalf::close",
        "websocket/socket::WebSocketSendHalf::send",
    ];
    let message = |number: usize| format!("{number} {}", "x".repeat(number * 700));
    let house = House::new();
    let handler = async |mut request: Request<RequestBody>| {
        let count = async move |socket: WebSocket| {
            let (mut receive, mut send) = socket.split();
            for number in 0..100 {
                // What was taken over goes out whole, also if this is cancelled as it waits for that.
                let scope = CancelScope::new();
                let mut sending = pin!(scope.run(async || send.send(message(number)).await));
                if poll_fn(|cx| Poll::Ready(sending.as_mut().poll(cx))).await.is_pending() {
                    scope.cancel();
                    sending.await.unwrap();
                }
            }
            let scope = CancelScope::new();
            let was_cancelled = {
                let mut closing = pin!(scope.run(async || send.close(None).await));
                let is_pending = poll_fn(|cx| Poll::Ready(closing.as_mut().poll(cx))).await.is_pending();
                if is_pending {
                    scope.cancel();
                    closing.await.unwrap();
                }
                is_pending
            };
            if was_cancelled {
                send.close(None).await.unwrap();
            }
            // Until the other side has said so, too.
            while let Ok(Some(_)) = receive.receive().await {}
        };
        let answer = websocket::upgrade(&mut request, &WebSocketOptions::new(), count);
        Ok(answer.unwrap_or_else(|refused| refused.answer()))
    };
    let ask = async |client: &Client| {
        let socket = client.get("ws://h/").websocket(&WebSocketOptions::new()).await?;
        let (mut receive, _send) = socket.split();
        let mut received = Vec::new();
        while let Some(next) = cancelled_at_each_wait(async || receive.receive().await).await? {
            received.push(next);
        }
        // Those whose sends were cancelled may not have been taken over; none is torn, or there twice, or before another.
        let mut expected = (0..100).map(|number| Message::from(message(number)));
        assert!(received.len() > 10, "{} messages", received.len());
        for one in received {
            assert!(expected.any(|other| other == one), "a message is none of those that were sent");
        }
        Ok(())
    };
    for only_http2 in [false, true] {
        house.with_client(only_http2, handler, ask).await?;
    }
    Ok(())
}
