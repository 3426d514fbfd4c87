//! Requests and what becomes of them.

use crate::{
    client::{GET, LAST, body_of, exchange, get, http1, http2, receive_until, status, text},
    meeting::Meeting,
};
use anyio::{
    Result, foreign, gather,
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sleep_forever,
    streams::{ByteReceiveStream, ByteSendStream},
    sync::Event,
    task_group,
    tempfile::TemporaryDirectory,
    using,
};
use anyio_http::{RequestBody, Server};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use std::{
    cell::{Cell, RefCell},
    convert::Infallible,
    future::poll_fn,
    io,
    task::Poll,
    time::Duration,
};

async fn echo(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>, anyio_http::BodyError> {
    let version = request.version();
    let body = request.into_body().collect().await?.to_bytes();
    let mut answer = Response::new(Full::new(body));
    answer.headers_mut().insert("version", format!("{version:?}").parse().unwrap());
    Ok(answer)
}

#[anyio::test]
async fn both_versions_are_spoken_on_tcp_and_unix_sockets() -> Result<()> {
    let folder = TemporaryDirectory::new().await?;
    let path = folder.path().join("socket");
    let tcp = TcpListener::bind("127.0.0.1:0").await?;
    let unix = UnixListener::bind(&path).await?;
    let server = Server::new();
    let large = "0123456789".repeat(30_000);
    task_group(async |tg| -> Result<()> {
        let address = tcp.local_addr()?;
        tg.start_soon(async { server.serve(&tcp, echo).await });
        tg.start_soon(async { server.serve(&unix, echo).await });
        let mut first = http1(tg, TcpStream::connect(address).await?).await;
        let mut second = http1(tg, UnixStream::connect(&path).await?).await;
        for sender in [&mut first, &mut second] {
            for body in ["hello", "", &large] {
                let request = Request::post("/").body(Full::new(Bytes::from(body.to_owned()))).unwrap();
                let answer = sender.send_request(request).await.unwrap();
                assert_eq!(answer.headers()["version"], "HTTP/1.1");
                assert!(body_of(answer).await == body);
            }
        }
        let first = http2(tg, TcpStream::connect(address).await?).await;
        let second = http2(tg, UnixStream::connect(&path).await?).await;
        for sender in [first, second] {
            let requests = (0..20).map(|n| {
                let (mut sender, body) = (sender.clone(), format!("{n} {}", &large[..n * 10_000]));
                async move {
                    let request =
                        Request::post("http://h/").body(Full::new(Bytes::from(body.clone()))).unwrap();
                    let answer = sender.send_request(request).await.unwrap();
                    assert_eq!(answer.headers()["version"], "HTTP/2.0");
                    assert!(body_of(answer).await == body);
                    anyio::Ok(())
                }
            });
            gather(requests).await?;
        }
        assert_eq!(server.statistics().accepted_connections, 4);
        assert_eq!(server.statistics().accepted_requests, 46);
        assert_eq!(server.statistics().requests, 0);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_beginning_that_comes_byte_by_byte_is_understood() -> Result<()> {
    for (bytes, expected) in [(LAST, "200"), ("PRI / HTTP/1.1\r\n", "")] {
        let meeting = Meeting::new();
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { Server::new().serve(&meeting, echo).await });
            let mut client = meeting.connect();
            for byte in bytes.bytes() {
                if client.send(vec![byte]).await.is_err() {
                    break;
                }
                anyio::testing::wait_all_tasks_blocked().await?;
            }
            let mut answer = Vec::new();
            while let Some(chunk) = client.receive().await? {
                answer.extend_from_slice(&chunk);
            }
            let answer = String::from_utf8_lossy(&answer);
            assert!(
                answer.contains(expected) && answer.starts_with("HTTP/1.1") != expected.is_empty(),
                "{answer}"
            );
            tg.cancel();
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// Handlers that wait, and what is known of them.
#[derive(Default)]
struct Waiting {
    begun: Event,
    cleaned: Event,
}

impl Waiting {
    /// Waits for ever at `/wait`, and takes some time to clean up.
    async fn handle(&self, request: Request<RequestBody>) -> Result<Response<Full<Bytes>>> {
        if request.uri().path() != "/wait" {
            return Ok(text("at once"));
        }
        let wait = async |_: &mut ()| {
            self.begun.set();
            Err(sleep_forever().await.into())
        };
        let clean_up = async |_| -> Result<()> {
            anyio::sleep(Duration::from_millis(1)).await?;
            self.cleaned.set();
            Ok(())
        };
        using((), wait, clean_up).await
    }
}

#[anyio::test]
async fn a_handler_is_cancelled_and_awaited_when_the_client_goes_away() -> Result<()> {
    let (waiting, meeting, server) = (Waiting::default(), Meeting::new(), Server::new());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&meeting, async |request| waiting.handle(request).await).await });
        let mut client = meeting.connect();
        client.send(GET.replace("/ ", "/wait ")).await?;
        waiting.begun.wait().await?;
        drop(client);
        waiting.cleaned.wait().await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!((server.statistics().cancelled, server.statistics().failed), (1, 0));
    Ok(())
}

#[anyio::test]
async fn a_handler_is_cancelled_and_awaited_when_its_stream_is_reset() -> Result<()> {
    let (waiting, meeting, server) = (Waiting::default(), Meeting::new(), Server::new());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&meeting, async |request| waiting.handle(request).await).await });
        let mut sender = http2(tg, meeting.connect()).await;
        let answer = sender.send_request(get("http://h/wait"));
        let given_up = tg.start_soon(async { Ok(foreign(answer).await.map(drop)?) });
        waiting.begun.wait().await?;
        given_up.cancel();
        waiting.cleaned.wait().await?;
        // The connection goes on.
        assert_eq!(body_of(sender.send_request(get("http://h/")).await.unwrap()).await, "at once");
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!((server.statistics().cancelled, server.statistics().failed), (1, 0));
    Ok(())
}

#[anyio::test]
async fn a_panic_is_answered_and_ends_one_connection_alone() -> Result<()> {
    panic_is_answered(async |request: Request<RequestBody>| -> Result<_, Infallible> {
        assert_ne!(request.uri().path(), "/panic", "as asked for");
        Ok(text("well"))
    })
    .await
}

#[anyio::test]
async fn a_panic_before_there_is_a_future_is_answered_as_any() -> Result<()> {
    panic_is_answered(|request: Request<RequestBody>| {
        assert_ne!(request.uri().path(), "/panic", "as asked for");
        std::future::ready(Ok::<_, Infallible>(text("well")))
    })
    .await
}

#[anyio::test]
async fn a_panic_as_a_handler_goes_is_answered_as_any() -> Result<()> {
    struct PanicsInDrop(bool);
    impl Drop for PanicsInDrop {
        fn drop(&mut self) {
            assert!(!self.0 || std::thread::panicking(), "as asked for");
        }
    }
    panic_is_answered(|request: Request<RequestBody>| {
        let held = PanicsInDrop(request.uri().path() == "/panic");
        poll_fn(move |_| {
            let _ = &held;
            Poll::Ready(Ok::<_, Infallible>(text("well")))
        })
    })
    .await
}

/// A handler that panics, as asked for, if the path is `/panic`.
async fn panic_is_answered(
    handler: impl AsyncFn(Request<RequestBody>) -> Result<Response<Full<Bytes>>, Infallible>,
) -> Result<()> {
    let (meeting, told) = (Meeting::new(), RefCell::new(Vec::new()));
    let server = Server::new().on_error(|error| told.borrow_mut().push(error.to_string()));
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&meeting, &handler).await });
        let other = http1(tg, meeting.connect()).await;
        let answer = exchange(meeting.connect(), GET.replace("/ ", "/panic ")).await?;
        assert_eq!(status(&answer), "500");
        assert!(answer.contains("connection: close"), "{answer}");
        let mut sender = http2(tg, meeting.connect()).await;
        let answer = sender.send_request(get("http://h/panic")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        // That of a single connection is over, others are not.
        while server.statistics().connections > 1 {
            anyio::lowlevel::checkpoint().await?;
        }
        let mut other = other;
        assert_eq!(body_of(other.send_request(get("/")).await.unwrap()).await, "well");
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!(server.statistics().panicked, 2);
    // That the client goes then as well is nothing to tell.
    assert_eq!(told.borrow().len(), 2, "{told:?}");
    assert!(told.borrow().iter().all(|text| text.contains("as asked for")), "{told:?}");
    Ok(())
}

#[anyio::test]
async fn a_failure_is_answered_and_told_and_the_connection_goes_on() -> Result<()> {
    let (meeting, told) = (Meeting::new(), RefCell::new(Vec::new()));
    let server = Server::new().on_error(|error| told.borrow_mut().push(format!("{error:?}")));
    let handler = async |request: Request<RequestBody>| match request.uri().path() {
        "/fail" => Err(io::Error::other("the disk is on fire")),
        _ => Ok(text("well")),
    };
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&meeting, handler).await });
        let mut sender = http1(tg, meeting.connect()).await;
        let answer = sender.send_request(get("/fail")).await.unwrap();
        assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(body_of(sender.send_request(get("/")).await.unwrap()).await, "well");
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!(told.borrow().len(), 1);
    assert!(told.borrow()[0].contains("on fire"));
    Ok(())
}

#[anyio::test]
async fn bodies_are_limited() -> Result<()> {
    let meeting = Meeting::new();
    let server = Server::new().max_body_bytes(10);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&meeting, echo).await });
        let post = |headers: &str, body: &str| {
            format!("POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{headers}\r\n\r\n{body}")
        };
        let fits = exchange(meeting.connect(), post("Content-Length: 10", "0123456789")).await?;
        assert!(fits.ends_with("0123456789"), "{fits}");
        let announced = exchange(meeting.connect(), post("Content-Length: 11", "")).await?;
        assert_eq!(status(&announced), "413");
        let chunked = post("Transfer-Encoding: chunked", "8\r\n01234567\r\n3\r\nabc\r\n0\r\n\r\n");
        let chunked = exchange(meeting.connect(), chunked).await?;
        assert_eq!(status(&chunked), "413");
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!(server.statistics().failed, 0);
    Ok(())
}

#[anyio::test]
async fn connections_and_requests_beyond_the_limits_wait() -> Result<()> {
    let (meeting, release) = (Meeting::new(), Event::new());
    let server = Server::new().max_connections(3).max_requests(2);
    let (at_once, most) = (Cell::new(0), Cell::new(0));
    let handler = async |_request| -> Result<_> {
        at_once.set(at_once.get() + 1);
        most.set(most.get().max(at_once.get()));
        release.wait().await?;
        at_once.set(at_once.get() - 1);
        Ok(text("done"))
    };
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&meeting, handler).await });
        for _ in 0..5 {
            let client = meeting.connect();
            tg.start_soon(async {
                assert!(exchange(client, LAST).await?.ends_with("done"));
                anyio::Ok(())
            });
        }
        anyio::testing::wait_all_tasks_blocked().await?;
        assert_eq!((server.statistics().connections, server.statistics().requests), (3, 3));
        assert_eq!(at_once.get(), 2);
        release.set();
        while server.statistics().accepted_requests < 5 || server.statistics().connections > 0 {
            anyio::lowlevel::checkpoint().await?;
        }
        assert_eq!(most.get(), 2);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn answers_are_streamed_with_trailers() -> Result<()> {
    let meeting = Meeting::new();
    let handler = async |_request| -> Result<_, Infallible> {
        let frames = (0..3).map(|n| Frame::data(Bytes::from(format!("part {n};"))));
        let mut trailers = HeaderMap::new();
        trailers.insert("sum", "3".parse().unwrap());
        let frames = frames.chain([Frame::trailers(trailers)]).map(Ok::<_, Infallible>);
        Ok(Response::new(StreamBody::new(futures_util::stream::iter(frames))))
    };
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&meeting, handler).await });
        let mut sender = http2(tg, meeting.connect()).await;
        let answer =
            sender.send_request(get("http://h/")).await.unwrap().into_body().collect().await.unwrap();
        assert_eq!(answer.trailers().unwrap()["sum"], "3");
        assert_eq!(answer.to_bytes(), "part 0;part 1;part 2;");
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_client_that_asks_before_it_sends_is_told_to_go_on() -> Result<()> {
    let meeting = Meeting::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&meeting, echo).await });
        let mut client = meeting.connect();
        let head = "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
        client.send(head).await?;
        let answer = receive_until(&mut client, "\r\n\r\n").await?;
        assert_eq!(status(&answer), "100");
        client.send("hello").await?;
        receive_until(&mut client, "hello").await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
