//! WebSockets of tokio-tungstenite's and of fastwebsockets'.

use crate::byte_io::io;
use anyio::{
    Result,
    net::{TcpListener, TcpStream},
    task_group,
};
use anyio_http::{HyperIo, RequestBody, Server};
use bytes::Bytes;
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, WebSocketError};
use futures_util::{AsyncWriteExt, SinkExt, StreamExt};
use http::{Request, Response};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::{accept_async, client_async, tungstenite::Message};

#[anyio::test]
async fn tokio_tungstenite_speaks_on_our_streams() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let mut socket = accept_async(io(listener.accept().await?)).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() || message.is_binary() {
                    socket.send(message).await.unwrap();
                }
            }
            // The last word may be on its way still, and is lost if it is not waited for.
            drop(socket.get_mut().flush().await);
            anyio::Ok(())
        });
        let stream = io(TcpStream::connect(address).await?);
        let (mut socket, _) = client_async(format!("ws://{address}/"), stream).await.unwrap();
        for size in [0, 1, 70_000, 500_000] {
            let message = Message::binary(vec![7; size]);
            socket.send(message.clone()).await.unwrap();
            assert!(socket.next().await.unwrap().unwrap() == message, "{size}");
        }
        socket.close(None).await.unwrap();
        assert!(socket.next().await.is_none_or(|last| last.is_ok_and(|last| last.is_close())));
        Ok(())
    })
    .await?;
    Ok(())
}

/// Echoes on a connection that hyper has upgraded, in a task of the server's.
async fn handle(mut request: Request<RequestBody>) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let key = request.headers()["sec-websocket-key"].clone();
    anyio_http::on_upgrade(&mut request, async |upgraded| {
        let io = TokioIo::new(upgraded.into_inner());
        let mut socket = FragmentCollector::new(fastwebsockets::WebSocket::after_handshake(
            io,
            fastwebsockets::Role::Server,
        ));
        while let Ok(frame) = socket.read_frame().await {
            match frame.opcode {
                OpCode::Close => break,
                OpCode::Text | OpCode::Binary => match socket.write_frame(frame).await {
                    Ok(()) => {}
                    Err(_) => break,
                },
                _ => {}
            }
        }
    })
    .expect("it was asked for");
    let answer =
        Response::builder().status(101).header("connection", "upgrade").header("upgrade", "websocket");
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
    Ok(answer.header("sec-websocket-accept", accept).body(Empty::new()).unwrap())
}

#[anyio::test]
async fn fastwebsockets_speaks_on_upgraded_connections() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&listener, handle).await });
        let stream = TcpStream::connect(address).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(HyperIo::new(stream)).await.unwrap();
        tg.start_soon(async { drop(connection.with_upgrades().await) });
        let request = Request::get("/")
            .header("host", "localhost")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", fastwebsockets::handshake::generate_key())
            .body(Empty::<Bytes>::new())
            .unwrap();
        let answer = sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 101);
        let io = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
        let socket = fastwebsockets::WebSocket::after_handshake(io, fastwebsockets::Role::Client);
        let mut socket = FragmentCollector::new(socket);
        for size in [1, 70_000, 500_000] {
            socket.write_frame(Frame::binary(Payload::Owned(vec![7; size]))).await.unwrap();
            let frame = socket.read_frame().await.unwrap();
            assert!(frame.payload.iter().all(|byte| *byte == 7) && frame.payload.len() == size, "{size}");
        }
        socket.write_frame(Frame::close(1000, b"")).await.unwrap();
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
