//! WebSockets, of axum, of handlers without axum, and of the client.

use crate::{
    asking::options,
    client::{exchange, status},
    meeting::Meeting,
};
use anyio::{
    CancelAware, CancelScope, Error, Result, current_time, move_on_after,
    net::{UnixListener, UnixStream},
    shield, sleep, task_group,
    tempfile::TemporaryDirectory,
};
use anyio_http::{
    Client, ClientErrorKind, RequestBody, Server,
    axum::{WebSocketUpgrade, local},
    tower,
    websocket::{self, CloseReason, Message, WebSocket, WebSocketOptions},
};
use axum::{Router, extract::Path, response::Response as AxumResponse, routing::any};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use std::{cell::Cell, rc::Rc, time::Duration};

async fn echo(mut socket: WebSocket) -> Result<()> {
    while let Some(message) = socket.receive().await? {
        match message {
            Message::Text(text) if text == "close" => {
                let reason = CloseReason { code: 4000, text: "as you wish".into() };
                return socket.close(reason).await;
            }
            Message::Text(_) | Message::Binary(_) => socket.send(message).await?,
            Message::Ping(_) | Message::Pong(_) => {}
        }
    }
    Ok(())
}

async fn upgrade(Path(kind): Path<String>, upgrade: WebSocketUpgrade) -> AxumResponse {
    let options = WebSocketOptions::new().max_message_bytes(1 << 20).protocols(["second", "third"]);
    let upgrade = upgrade.options(options);
    match kind.as_str() {
        "echo" => upgrade.on_upgrade(async |socket| drop(echo(socket).await)),
        _ => upgrade.on_upgrade(async |mut socket| {
            let protocol = socket.protocol().unwrap_or("none").to_owned();
            drop(socket.send(protocol).await);
            drop(socket.close(None).await);
        }),
    }
}

/// Runs a body with a client of a server of axum's, in each version of HTTP.
async fn with_axum(body: impl AsyncFn(&Client, &Rc<Meeting>) -> Result<()>) -> Result<()> {
    for only_http2 in [false, true] {
        let meeting = Rc::new(Meeting::new());
        let server = Server::new().extended_connect(true);
        task_group(async |tg| -> Result<()> {
            let router: Router = Router::new().route("/{kind}", any(local(upgrade)));
            tg.start_soon(async { server.serve(&*meeting, tower(router)).await });
            let options = options(&meeting).only_http2(only_http2);
            options.run(async |client| body(client, &meeting).await).await?;
            tg.cancel();
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[anyio::test]
async fn messages_of_all_kinds_and_sizes_come_back() -> Result<()> {
    with_axum(async |client, _| {
        let mut socket = client.get("ws://h/echo").websocket(&WebSocketOptions::new()).await?;
        socket.send("hello").await?;
        assert_eq!(socket.receive().await?, Some("hello".into()));
        for size in [0, 1, 125, 126, 65_535, 65_536, 1_000_000] {
            let bytes = Bytes::from(vec![size as u8; size]);
            socket.send(bytes.clone()).await?;
            assert_eq!(socket.receive().await?, Some(Message::Binary(bytes)));
        }
        socket.send(Message::Ping("are you there?".into())).await?;
        assert_eq!(socket.receive().await?, Some(Message::Pong("are you there?".into())));
        // Both directions at once.
        let (mut receive, mut send) = socket.split();
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                for n in 0..200 {
                    send.send(n.to_string().repeat(1000)).await?;
                }
                send.send("close").await
            });
            for n in 0..200 {
                assert_eq!(receive.receive().await?, Some(n.to_string().repeat(1000).into()));
            }
            Ok(())
        })
        .await?;
        assert_eq!(receive.receive().await?, None);
        assert_eq!(receive.close_reason().unwrap(), &CloseReason { code: 4000, text: "as you wish".into() });
        assert!(matches!(send.send("late").await, Err(Error::ClosedResource | Error::BrokenResource(_))));
        Ok(())
    })
    .await
}

#[anyio::test]
async fn both_sides_agree_on_a_protocol() -> Result<()> {
    with_axum(async |client, _| {
        for (offered, agreed) in [(&["first", "second"][..], Some("second")), (&["first"], None), (&[], None)]
        {
            let options = WebSocketOptions::new().protocols(offered.iter().copied());
            let mut socket = client.get("ws://h/protocol").websocket(&options).await?;
            assert_eq!(socket.protocol(), agreed);
            assert_eq!(socket.receive().await?, Some(agreed.unwrap_or("none").into()));
            assert_eq!(socket.receive().await?, None);
        }
        Ok(())
    })
    .await
}

#[anyio::test]
async fn what_is_against_the_protocol_ends_the_connection_alone() -> Result<()> {
    with_axum(async |client, meeting| {
        let mut socket = client.get("ws://h/echo").websocket(&WebSocketOptions::new()).await?;
        // Larger than the server allows.
        let sent = socket.send(Bytes::from(vec![0; 2 << 20])).await;
        assert!(sent.is_err() || !matches!(socket.receive().await, Ok(Some(_))));
        let head =
            "GET /echo HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        // A frame that is not masked.
        let unmasked = format!("{head}Sec-WebSocket-Version: 13\r\n{key}\r\n\u{1}\u{1}x");
        let answer = exchange_bytes(meeting, &unmasked).await?;
        assert!(answer.starts_with("HTTP/1.1 101"), "{answer}");
        assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
        let refused = [
            ("GET /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned(), "426"),
            (format!("{head}Connection: close\r\nSec-WebSocket-Version: 12\r\n{key}\r\n"), "426"),
            (format!("{head}Connection: close\r\nSec-WebSocket-Version: 13\r\n\r\n"), "426"),
            (format!("{}Connection: close\r\n\r\n", head.replace("GET", "POST")), "405"),
        ];
        for (request, expected) in refused {
            let answer = exchange(meeting.connect(), &request).await?;
            assert_eq!(status(&answer), expected, "{request}: {answer}");
        }
        let error =
            client.get("ws://h/nowhere/at/all").websocket(&WebSocketOptions::new()).await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::NotUpgraded);
        Ok(())
    })
    .await
}

#[anyio::test]
async fn what_would_be_against_the_protocol_is_not_sent() -> Result<()> {
    with_axum(async |client, _| {
        let options = WebSocketOptions::new().max_message_bytes(1000);
        let mut socket = client.get("ws://h/echo").websocket(&options).await?;
        let is_refused = |sent: Result<()>| {
            let error = sent.expect_err("it is too large");
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput, "{error}");
        };
        is_refused(socket.send(Bytes::from(vec![0; 1001])).await);
        is_refused(socket.send(Message::Ping(Bytes::from(vec![0; 126]))).await);
        is_refused(socket.send(Message::Pong(Bytes::from(vec![0; 126]))).await);
        // It goes on.
        socket.send(Bytes::from(vec![0; 1000])).await?;
        assert_eq!(socket.receive().await?, Some(Message::Binary(Bytes::from(vec![0; 1000]))));
        let (mut receive, mut send) = socket.split();
        is_refused(send.close(CloseReason { code: 4000, text: "x".repeat(124) }).await);
        // 1005 is for those to whom nothing was said.
        is_refused(send.close(CloseReason { code: 1005, text: String::new() }).await);
        send.close(CloseReason { code: 4000, text: "x".repeat(123) }).await?;
        assert_eq!(receive.receive().await?, None);
        assert_eq!(receive.close_reason().map(|reason| reason.text.len()), Some(123));
        Ok(())
    })
    .await
}

#[anyio::test]
async fn who_pings_and_reads_nothing_fills_no_memory() -> Result<()> {
    let folder = TemporaryDirectory::new().await?;
    let listener = UnixListener::bind(folder.path().join("socket")).await?;
    let handler = async |mut request: Request<RequestBody>| -> Result<Response<Empty<Bytes>>> {
        let options = WebSocketOptions::new().max_message_bytes(1 << 16);
        let echo = async |socket| drop(echo(socket).await);
        Ok(websocket::upgrade(&mut request, &options, echo).unwrap_or_else(|refused| refused.answer()))
    };
    let received = task_group(async |tg| -> Result<usize> {
        tg.start_soon(async { Server::new().serve(&listener, handler).await });
        let client = UnixStream::connect(folder.path().join("socket")).await?;
        client
            .send(
                "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            )
            .await?;
        // Masked by zeroes, which changes nothing.
        let ping = [&[0x89, 0x80 | 125, 0, 0, 0, 0][..], &[b'x'; 125]].concat();
        for _ in 0..400 {
            client.send(ping.repeat(50)).await?;
        }
        // And a message, whose echo comes although so many pings had nobody listening to their answers.
        client.send(vec![0x82, 0x81, 0, 0, 0, 0, b'!']).await?;
        let (mut all, mut seen) = (Vec::new(), 0);
        while !all[seen..].windows(3).any(|bytes| bytes == [0x82, 1, b'!']) {
            seen = all.len().saturating_sub(2);
            all.extend_from_slice(&client.receive().await?.expect("it goes on"));
        }
        tg.cancel();
        Ok(all.len())
    })
    .await?;
    // What the sockets hold, and a message.
    assert!(received.is_some_and(|count| count < 400 * 50 * 127 / 2), "{received:?} bytes had been kept");
    Ok(())
}

/// Like `exchange`, for answers that are no text.
async fn exchange_bytes(meeting: &Meeting, request: &str) -> Result<String> {
    use anyio::streams::{ByteReceiveStream, ByteSendStream};

    let mut stream = meeting.connect();
    stream.send(request.to_owned()).await?;
    let mut all = Vec::new();
    while let Some(chunk) = stream.receive().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}

#[anyio::test(clock = "virtual")]
async fn a_cancelled_receive_loses_no_message() -> Result<()> {
    receive_and_give_up(false).await?;
    receive_and_give_up(true).await
}

async fn receive_and_give_up(only_http2: bool) -> Result<()> {
    let meeting = Rc::new(Meeting::new());
    let slow = async |mut request: Request<RequestBody>| -> Result<Response<Empty<Bytes>>> {
        let count = async |mut socket: WebSocket| {
            for n in 0..20 {
                drop(socket.send(n.to_string()).await);
                let _ = sleep(Duration::from_millis(70)).await;
            }
            drop(socket.close(None).await);
        };
        let answer = websocket::upgrade(&mut request, &WebSocketOptions::new(), count);
        Ok(answer.unwrap_or_else(|refused| refused.answer()))
    };
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().extended_connect(true).serve(&*meeting, slow).await });
        let client = options(&meeting).only_http2(only_http2).in_group(tg);
        let mut socket = client.get("ws://h/").websocket(&WebSocketOptions::new()).await?;
        let (mut received, mut given_up) = (0, 0);
        loop {
            match move_on_after(Duration::from_millis(30), socket.receive()).await? {
                None => given_up += 1,
                Some(None) => break,
                Some(Some(message)) => {
                    assert_eq!(message, received.to_string().into());
                    received += 1;
                }
            }
            // In a scope that is cancelled from the beginning, too.
            let scope = CancelScope::new();
            scope.cancel();
            let cancelled = scope.run(async || socket.receive().await).await?;
            assert_eq!(cancelled, None);
        }
        assert_eq!(received, 20);
        assert!(given_up > 10);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_web_socket_is_cancelled_and_awaited_at_the_end_of_the_server() -> Result<()> {
    for only_http2 in [false, true] {
        let (meeting, scope, cleaned_up) =
            (Rc::new(Meeting::new()), CancelScope::new(), Rc::new(Cell::new(false)));
        let waits = async |mut request: Request<RequestBody>| -> Result<Response<Empty<Bytes>>> {
            let cleaned_up = cleaned_up.clone();
            let wait = async move |mut socket: WebSocket| {
                let is_cancelled = socket.receive().await.is_err_and(|error| error.is_cancelled());
                shield(sleep(Duration::from_secs(1))).await.unwrap();
                cleaned_up.set(is_cancelled);
            };
            let answer = websocket::upgrade(&mut request, &WebSocketOptions::new(), wait);
            Ok(answer.unwrap_or_else(|refused| refused.answer()))
        };
        let server = Server::new().extended_connect(true).grace(Duration::from_secs(2));
        task_group(async |tg| -> Result<()> {
            let serving = tg.start_soon(async {
                scope.run(async || server.serve(&*meeting, waits).await).await.map(drop)
            });
            let client = options(&meeting).only_http2(only_http2).in_group(tg);
            let mut socket = client.get("ws://h/").websocket(&WebSocketOptions::new()).await?;
            let begun = current_time();
            scope.cancel();
            serving.wait().await?;
            assert_eq!(current_time() - begun, Duration::from_secs(3), "the grace, and cleaning up");
            assert!(!matches!(socket.receive().await, Ok(Some(_))));
            Ok(())
        })
        .await?;
        assert!(cleaned_up.get(), "over HTTP/{}", if only_http2 { 2 } else { 1 });
    }
    Ok(())
}

#[anyio::test]
async fn a_server_that_does_not_offer_it_gives_no_web_socket_over_http2() -> Result<()> {
    let meeting = Rc::new(Meeting::new());
    task_group(async |tg| -> Result<()> {
        let router: Router = Router::new().route("/{kind}", any(local(upgrade)));
        tg.start_soon(async { Server::new().serve(&*meeting, tower(router)).await });
        let client = options(&meeting).only_http2(true).in_group(tg);
        let asked = client.get("ws://h/echo").websocket(&WebSocketOptions::new()).await;
        let kind = asked.unwrap_err().kind();
        assert!(matches!(kind, ClientErrorKind::NotUpgraded | ClientErrorKind::Transfer), "{kind:?}");
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn many_web_sockets_share_a_connection_of_http2() -> Result<()> {
    let meeting = Rc::new(Meeting::new());
    let server = Server::new().extended_connect(true);
    task_group(async |tg| -> Result<()> {
        let router: Router = Router::new().route("/{kind}", any(local(upgrade)));
        tg.start_soon(async { server.serve(&*meeting, tower(router)).await.map(drop) });
        let client = options(&meeting).only_http2(true).in_group(tg);
        // A connection that there is, and knows what the server offers.
        let mut first = client.get("ws://h/echo").websocket(&WebSocketOptions::new()).await?;
        task_group(async |tg| -> Result<()> {
            for number in 0..50 {
                let client = client.clone();
                tg.start_soon(async move {
                    let mut socket = client.get("ws://h/echo").websocket(&WebSocketOptions::new()).await?;
                    for message in 0..20 {
                        let text = format!("{number}: {message}").repeat(100);
                        socket.send(text.clone()).await?;
                        assert_eq!(socket.receive().await?, Some(text.into()));
                    }
                    socket.close(None).await
                });
            }
            Ok(())
        })
        .await?;
        first.send("still there").await?;
        assert_eq!(first.receive().await?, Some("still there".into()));
        assert_eq!(server.statistics().accepted_connections, 1);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
