//! Stopping the server.

use crate::server::Server;
use anyio::{Result, fail_after, net::TcpStream, sleep, task_group};
use std::{cell::Cell, time::Duration};

const LENGTH: usize = 64 << 20;

/// Much less than the grace period where nothing is to be waited for.
const SOON: Duration = Duration::from_secs(10);

/// A server that has one download half-way.
async fn with_download(arguments: &[&str]) -> (Server, crate::client::Client) {
    let server = Server::start(arguments);
    server.put("large", vec![b'x'; LENGTH]);
    let mut client = server.connect().await;
    client.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert_eq!(client.head().await.header("Content-Length"), LENGTH.to_string());
    client.receive_exactly(LENGTH / 4).await;
    (server, client)
}

/// Waits until the server accepts no more.
async fn until_refused(server: &Server) -> Result<()> {
    while TcpStream::connect(server.address()).await.is_ok() {
        sleep(Duration::from_millis(1)).await?;
    }
    Ok(())
}

#[anyio::test]
async fn idle_connections_do_not_delay_the_end() -> Result<()> {
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let server = Server::start(&["--grace", "600"]);
        let unused = server.connect().await;
        let mut used = server.connect().await;
        used.get("/").await;
        server.signal(signal);
        used.expect_end().await;
        unused.expect_end().await;
        let (status, _) = fail_after(SOON, async { anyio::Ok(server.wait().await) }).await?;
        assert_eq!(status.code(), Some(0));
    }
    Ok(())
}

#[anyio::test]
async fn a_request_in_progress_is_finished_and_no_other_begun() -> Result<()> {
    let (server, mut client) = with_download(&["--grace", "600"]).await;
    server.signal(libc::SIGTERM);
    until_refused(&server).await?;
    client.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n").await;
    assert!(client.receive_exactly(LENGTH * 3 / 4).await.iter().all(|&byte| byte == b'x'));
    assert!(client.until_end().await.is_empty());
    let (status, log) = fail_after(SOON, async { anyio::Ok(server.wait().await) }).await?;
    assert_eq!(status.code(), Some(0));
    assert!(log.contains(&format!("\"GET /large HTTP/1.1\" 200 {LENGTH}")), "{log}");
    Ok(())
}

#[anyio::test]
async fn what_arrives_after_the_signal_is_answered_if_it_had_begun() -> Result<()> {
    let server = Server::start(&["--grace", "600"]);
    server.put("file", "contents");
    let mut client = server.connect().await;
    client.send("GET /file HTTP/1.1\r\n").await;
    // Another answer shows that the server has seen what came before it.
    server.connect().await.get("/file").await;
    server.signal(libc::SIGTERM);
    until_refused(&server).await?;
    client.send("Host: h\r\n\r\n").await;
    let response = client.response().await;
    assert_eq!((response.text(), response.header("Connection")), ("contents", "close"));
    let (status, _) = fail_after(SOON, async { anyio::Ok(server.wait().await) }).await?;
    assert_eq!(status.code(), Some(0));
    Ok(())
}

#[anyio::test]
async fn the_rest_is_cancelled_after_the_grace_period() -> Result<()> {
    let (server, client) = with_download(&["--grace", "0.2"]).await;
    server.signal(libc::SIGTERM);
    let (status, _) = fail_after(SOON, async { anyio::Ok(server.wait().await) }).await?;
    assert_eq!(status.code(), Some(0));
    assert!(client.until_end().await.len() < LENGTH);
    Ok(())
}

#[anyio::test]
async fn the_second_signal_cancels_the_rest_at_once() -> Result<()> {
    let (server, client) = with_download(&["--grace", "600"]).await;
    server.signal(libc::SIGINT);
    until_refused(&server).await?;
    server.signal(libc::SIGINT);
    let (status, _) = fail_after(SOON, async { anyio::Ok(server.wait().await) }).await?;
    assert_eq!(status.code(), Some(0));
    assert!(client.until_end().await.len() < LENGTH);
    Ok(())
}

#[anyio::test]
async fn all_cores_serve_on_one_port_and_stop_together() -> Result<()> {
    let server = Server::start(&["--cores", "3"]);
    server.put("file", "contents");
    let mut clients = Vec::new();
    for _ in 0..50 {
        let mut client = server.connect().await;
        assert_eq!(client.get("/file").await.text(), "contents");
        clients.push(client);
    }
    server.signal(libc::SIGTERM);
    for client in clients {
        client.expect_end().await;
    }
    let (status, log) = fail_after(SOON, async { anyio::Ok(server.wait().await) }).await?;
    assert_eq!(status.code(), Some(0));
    assert_eq!(log.matches("\"GET /file HTTP/1.1\" 200 8").count(), 50, "{log}");
    Ok(())
}

/// Asks again and again on one connection until the server ends. Every request that the server has begun to answer has to
/// be answered whole. Gives how many were.
async fn ask_until_the_end(server: &Server, path: &str, length: usize) -> Result<usize> {
    let mut answered = 0;
    // One that comes too late to be accepted is refused.
    let Ok(stream) = TcpStream::connect(server.address()).await else { return Ok(answered) };
    loop {
        let request = format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n");
        if stream.send(request).await.is_err() {
            return Ok(answered);
        }
        let mut received = Vec::new();
        let head = loop {
            match stream.receive().await {
                Ok(Some(chunk)) => received.extend_from_slice(&chunk),
                // Not begun.
                Ok(None) | Err(_) if received.is_empty() => return Ok(answered),
                ended => panic!("an answer ended after {} bytes: {ended:?}", received.len()),
            }
            if let Some(head) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break head + 4;
            }
        };
        while received.len() < head + length {
            let chunk = stream.receive().await;
            let chunk = chunk.expect("no answer is cut short").expect("no answer is cut short");
            received.extend_from_slice(&chunk);
        }
        assert_eq!(received.len(), head + length);
        answered += 1;
        if String::from_utf8_lossy(&received[..head]).contains("Connection: close") {
            return Ok(answered);
        }
    }
}

/// How often the server is stopped under load, and how many clients there are: by hand with larger numbers.
fn numbers() -> (usize, usize) {
    let number =
        |name, default| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default);
    (number("ANYIO_STOPS", 3), number("ANYIO_CLIENTS", 100))
}

#[anyio::test]
async fn no_request_is_lost_when_the_server_is_stopped_under_load() -> Result<()> {
    let (stops, clients) = numbers();
    for stop in 0..stops {
        let server = Server::start(&["--grace", "600", "--quiet"]);
        let lengths = [("/short", 100), ("/middle", 40_000), ("/long", 300_000)];
        for (path, length) in lengths {
            server.put(&path[1..], vec![b'x'; length]);
        }
        let answered = Cell::new(0);
        task_group(async |tg| -> Result<()> {
            for client in 0..clients {
                let (path, length) = lengths[client % lengths.len()];
                let (server, answered) = (&server, &answered);
                tg.start_soon(async move {
                    answered.set(answered.get() + ask_until_the_end(server, path, length).await?);
                    anyio::Ok(())
                });
            }
            // At another moment each time.
            sleep(Duration::from_micros(20_000 + (stop as u64 * 7919) % 200_000)).await?;
            server.signal(if stop % 2 == 0 { libc::SIGTERM } else { libc::SIGINT });
            Ok(())
        })
        .await?;
        let (status, _) = fail_after(SOON, async { anyio::Ok(server.wait().await) }).await?;
        assert_eq!(status.code(), Some(0));
    }
    Ok(())
}
