//! Stopping the server.

use crate::server::Server;
use anyio::{Result, fail_after, net::TcpStream, sleep};
use std::time::Duration;

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
