//! Clients that dawdle.

use crate::server::Server;
use anyio::{Result, sleep};
use std::time::{Duration, Instant};

#[anyio::test]
async fn a_request_that_takes_too_long_is_refused() {
    let server = Server::start(&["--request-timeout", "0.1"]);
    for part in [
        "G",
        "GET / HTTP/1.1\r\nHost: h\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n12345678",
    ] {
        let mut client = server.connect().await;
        client.send(part).await;
        let response = client.response().await;
        assert_eq!((response.status, response.header("Connection")), (408, "close"), "{part:?}");
        client.expect_end().await;
    }
}

#[anyio::test]
async fn trickling_does_not_prolong_the_time_for_a_request() -> Result<()> {
    let server = Server::start(&["--request-timeout", "0.2"]);
    let mut client = server.connect().await;
    client.send("GET / HTTP/1.1\r\nHost: h\r\n").await;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(1) {
        // It fails as soon as the server has had enough.
        if client.try_send("X: y\r\n").await.is_err() {
            break;
        }
        sleep(Duration::from_millis(20)).await?;
    }
    assert_eq!(client.response().await.status, 408);
    Ok(())
}

#[anyio::test]
async fn a_silent_connection_is_closed() {
    let server = Server::start(&["--idle-timeout", "0.1"]);
    server.put("file", "contents");
    server.connect().await.expect_end().await;
    let mut client = server.connect().await;
    assert_eq!(client.get("/file").await.text(), "contents");
    client.expect_end().await;
}

#[anyio::test]
async fn silence_between_requests_does_not_count_towards_them() -> Result<()> {
    let server = Server::start(&["--request-timeout", "0.1", "--idle-timeout", "60"]);
    server.put("file", "contents");
    let mut client = server.connect().await;
    sleep(Duration::from_millis(200)).await?;
    assert_eq!(client.get("/file").await.text(), "contents");
    sleep(Duration::from_millis(200)).await?;
    assert_eq!(client.get("/file").await.text(), "contents");
    Ok(())
}

#[anyio::test]
async fn a_client_that_does_not_read_is_given_up() -> Result<()> {
    const LENGTH: usize = 64 << 20;
    let server = Server::start(&["--send-timeout", "0.2"]);
    server.put("large", vec![b'x'; LENGTH]);
    let before = server.descriptors();
    let client = server.connect().await;
    client.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n").await;
    // The connection and the file are opened. The connection is closed again, the file stays at hand for a while.
    while server.descriptors() < before + 2 {
        sleep(Duration::from_millis(1)).await?;
    }
    while server.descriptors() > before + 1 {
        sleep(Duration::from_millis(5)).await?;
    }
    assert!(client.until_end().await.len() < LENGTH);
    while server.descriptors() > before {
        sleep(Duration::from_millis(50)).await?;
    }
    Ok(())
}

#[anyio::test]
async fn a_slow_reader_gets_everything_as_long_as_it_reads() -> Result<()> {
    const LENGTH: usize = 16 << 20;
    let server = Server::start(&["--send-timeout", "1"]);
    server.put("large", vec![b'x'; LENGTH]);
    let mut client = server.connect().await;
    client.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n").await;
    client.head().await;
    for _ in 0..16 {
        client.receive_exactly(LENGTH / 16).await;
        sleep(Duration::from_millis(80)).await?;
    }
    Ok(())
}

#[anyio::test]
async fn dawdlers_do_not_keep_others_waiting() {
    let server = Server::start(&[]);
    server.put("file", "contents");
    let mut dawdlers = Vec::new();
    for _ in 0..50 {
        let client = server.connect().await;
        client.send("GET / HT").await;
        dawdlers.push(client);
    }
    assert_eq!(server.connect().await.get("/file").await.text(), "contents");
}
