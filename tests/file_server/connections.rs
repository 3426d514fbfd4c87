//! Connections that carry several requests, and such as break.

use crate::server::Server;
use anyio::{Result, sleep, task_group};
use std::time::Duration;

#[anyio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start(&[]);
    let mut requests = String::new();
    for number in 0..300 {
        server.put(&number.to_string(), number.to_string());
        requests += &format!("GET /{number} HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    let mut client = server.connect().await;
    client.send(requests).await;
    for number in 0..300 {
        assert_eq!(client.response().await.text(), number.to_string());
    }
}

#[anyio::test]
async fn the_connection_goes_on_as_both_sides_want() {
    let server = Server::start(&[]);
    server.put("file", "contents");
    for (version, headers, answer) in [
        ("1.1", "", ""),
        ("1.1", "Connection: Close\r\n", "close"),
        ("1.1", "Connection: keep-alive, close\r\n", "close"),
        ("1.0", "", "close"),
        ("1.0", "Connection: Keep-Alive\r\n", "keep-alive"),
    ] {
        let mut client = server.connect().await;
        client.send(format!("GET /file HTTP/{version}\r\nHost: h\r\n{headers}\r\n")).await;
        let response = client.response().await;
        assert_eq!(
            (response.text(), response.header("Connection")),
            ("contents", answer),
            "{version} {headers}"
        );
        if answer == "close" {
            client.expect_end().await;
        } else {
            assert_eq!(client.get("/file").await.text(), "contents");
        }
    }
}

#[anyio::test]
async fn what_comes_behind_the_last_request_does_not_cost_the_answer() {
    const LENGTH: usize = 4 << 20;
    let server = Server::start(&[]);
    server.put("large", vec![b'x'; LENGTH]);
    for version in ["1.0", "1.1"] {
        let mut client = server.connect().await;
        let request = format!("GET /large HTTP/{version}\r\nHost: h\r\nConnection: close\r\n\r\n");
        // More than is received at once.
        client.send([request.as_bytes(), &[b'\n'; 400_000]].concat()).await;
        assert_eq!(client.head().await.status, 200);
        assert!(client.receive_exactly(LENGTH).await.iter().all(|&byte| byte == b'x'));
        client.expect_end().await;
    }
}

#[anyio::test]
async fn a_client_that_has_sent_its_last_request_still_gets_the_answer() {
    let server = Server::start(&[]);
    server.put("file", "contents");
    let mut client = server.connect().await;
    client.send("GET /file HTTP/1.1\r\nHost: h\r\n\r\n").await;
    client.send_eof().await;
    assert_eq!(client.response().await.text(), "contents");
    client.expect_end().await;
}

#[anyio::test]
async fn many_clients_at_once_are_served() -> Result<()> {
    let server = Server::start(&[]);
    server.put("file", "contents");
    let server = &server;
    task_group(async |tg| -> Result<()> {
        for _ in 0..200 {
            tg.start_soon(async move {
                let mut client = server.connect().await;
                for _ in 0..5 {
                    assert_eq!(client.get("/file").await.text(), "contents");
                }
                anyio::Ok(())
            });
        }
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn clients_that_disappear_leave_nothing_behind() -> Result<()> {
    let server = Server::start(&[]);
    server.put("file", "contents");
    server.put("large", vec![b'x'; 32 << 20]);
    let mut client = server.connect().await;
    client.get("/file").await;
    // It stays at hand.
    assert_eq!(client.get("/large").await.content.len(), 32 << 20);
    let before = server.descriptors();
    for _ in 0..20 {
        // One in the midst of a download, one before the request is complete, one that has asked for nothing.
        let mut download = server.connect().await;
        download.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n").await;
        download.receive_exactly(1 << 20).await;
        let half = server.connect().await;
        half.send("GET /la").await;
        drop((download, half, server.connect().await));
    }
    assert_eq!(client.get("/file").await.text(), "contents");
    while server.descriptors() > before {
        sleep(Duration::from_millis(5)).await?;
    }
    Ok(())
}

#[anyio::test]
async fn a_file_that_becomes_shorter_ends_the_connection() -> Result<()> {
    let server = Server::start(&[]);
    server.put("large", vec![b'x'; 32 << 20]);
    let mut client = server.connect().await;
    client.send("GET /large HTTP/1.1\r\nHost: h\r\n\r\n").await;
    client.head().await;
    client.receive_exactly(1).await;
    std::fs::File::options().write(true).open(server.path("large")).unwrap().set_len(1).unwrap();
    assert!(client.until_end().await.len() < 32 << 20);
    sleep(std::time::Duration::from_secs(1)).await?;
    assert_eq!(server.connect().await.get("/large").await.text(), "x");
    Ok(())
}
