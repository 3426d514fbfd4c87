//! What the server writes.

use crate::server::{Server, command};
use std::net::TcpListener;

#[anyio::test]
async fn each_request_is_noted_in_the_common_log_format() {
    let server = Server::start(&[]);
    server.put("file", "contents");
    let mut client = server.connect().await;
    client.get("/file?q").await;
    client.ask("HEAD", "/file", "").await;
    client.get("/none").await;
    client.send("nonsense\r\n\r\n").await;
    client.response().await;
    let text = server.stop().await;
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("127.0.0.1 - - [")).collect();
    let ends = [
        "\"GET /file?q HTTP/1.1\" 200 8",
        "\"HEAD /file HTTP/1.1\" 200 0",
        "\"GET /none HTTP/1.1\" 404 14",
        "\"nonsense\" 400 16",
    ];
    assert_eq!(lines.len(), ends.len(), "{text}");
    for (line, end) in lines.iter().zip(ends) {
        // [06/Nov/1994:08:49:37 +0000]
        let (_, rest) = line.split_once('[').unwrap();
        let (moment, rest) = rest.split_once("] ").unwrap();
        assert_eq!((moment.len(), rest), (26, end));
    }
}

#[anyio::test]
async fn a_client_cannot_forge_lines() {
    let server = Server::start(&[]);
    let mut client = server.connect().await;
    client.send("GET /\"\x1b[2J\rforged HTTP/1.1\r\nHost: h\r\n\r\n").await;
    client.response().await;
    let text = server.stop().await;
    assert!(text.contains(r#""GET /\"\x1b[2J\rforged HTTP/1.1" 400"#), "{text}");
}

#[anyio::test]
async fn a_quiet_server_notes_nothing() {
    let server = Server::start(&["--quiet"]);
    server.connect().await.get("/").await;
    let text = server.stop().await;
    assert!(!text.contains("GET"), "{text}");
}

#[anyio::test]
async fn a_server_that_cannot_start_says_why() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, reason) in [
        (["--port=0", "/does/not/exist"], "/does/not/exist"),
        (["--port=0", "/dev/null"], "is not a folder"),
        (["--port", &port], "listen on 127.0.0.1"),
        (["--backend", "magic"], "no back end is called"),
    ] {
        let output = command().args(arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && text.contains(reason), "{arguments:?}: {text}");
    }
}
