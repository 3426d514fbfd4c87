//! Which requests are understood, and how the others are refused.

use crate::server::Server;

#[anyio::test]
async fn requests_that_are_wrong_are_refused_and_the_connection_closed() {
    let server = Server::start(&[]);
    let large = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    let many = format!("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", "X: y\r\n".repeat(150));
    let long = format!("GET /{} HTTP/1.1\r\nHost: h\r\n\r\n", "x".repeat(20_000));
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nHost: user@a\r\n\r\n", 400),
        ("GET /\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01", 400),
        ("GET / HTTP/1.1\r\nHost : h\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nno colon\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505),
        ("GET / HTTP/3.1\r\nHost: h\r\n\r\n", 505),
        ("GET / HTTX/1.1\r\nHost: h\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 5, 5\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: \r\n\r\n", 400),
        ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400),
        // Others may take the end of the first line for the end of what says how long the chunk is.
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nx\r\n0\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;a\n", 400),
        ("GET / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", 413),
        ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413),
        (&large, 431),
        (&many, 431),
        (&long, 414),
    ] {
        let mut client = server.connect().await;
        client.send(request).await;
        let response = client.response().await;
        assert_eq!(response.status, status, "{request:?}");
        assert_eq!(response.header("Connection"), "close", "{request:?}");
        client.expect_end().await;
    }
}

#[anyio::test]
async fn hosts_are_named_in_many_ways() {
    let server = Server::start(&[]);
    server.put("file", "contents");
    let mut client = server.connect().await;
    for host in
        ["", "h", "example.org:8080", "[::1]:80", "127.0.0.1", "xn--bcher-kva.example", "a_b.%41~!$&'()*+,;="]
    {
        // The second is answered from what the first has made ready.
        for _ in 0..2 {
            client.send(format!("GET /file HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
            assert_eq!(client.response().await.text(), "contents", "{host:?}");
        }
    }
    client.send("GET /file HTTP/1.1\r\nHost: a b\r\n\r\n").await;
    assert_eq!(client.response().await.status, 400);
}

#[anyio::test]
async fn requests_that_cannot_be_met_leave_the_connection_usable() {
    let server = Server::start(&[]);
    server.put("file", "contents");
    let mut client = server.connect().await;
    for method in ["POST", "PUT", "DELETE", "TRACE", "PATCH", "CONNECT"] {
        let response = client.ask(method, "/file", "").await;
        assert_eq!((response.status, response.header("Allow")), (405, "GET, HEAD, OPTIONS"), "{method}");
    }
    assert_eq!(client.ask("BREW", "/file", "").await.status, 501);
    assert_eq!(client.ask("get", "/file", "").await.status, 501);
    for (target, status) in [("*", 400), ("file", 400), ("ftp://host/file", 400), ("/a%00b", 400)] {
        assert_eq!(client.get(target).await.status, status, "{target}");
    }
    assert_eq!(client.get("/file").await.text(), "contents");
}

#[anyio::test]
async fn bodies_are_skipped() {
    let server = Server::start(&[]);
    server.put("file", "contents");
    let mut client = server.connect().await;
    let body = "GET /wrong HTTP/1.1\r\n\r\n";
    let with_length =
        format!("POST /file HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let chunked = format!(
        "GET /file HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:X};extension=1\r\n{body}\r\n1\r\nx\r\n0\r\nTrailer: value\r\n\r\n",
        body.len()
    );
    let next = "GET /file HTTP/1.1\r\nHost: h\r\n\r\n";
    client.send([&*with_length, &chunked, next].concat()).await;
    assert_eq!(client.response().await.status, 405);
    assert_eq!(client.response().await.text(), "contents");
    assert_eq!(client.response().await.text(), "contents");
    // The same, in pieces that end anywhere.
    for byte in [&*with_length, &chunked, next].concat().bytes() {
        client.send([byte]).await;
    }
    assert_eq!(client.response().await.status, 405);
    assert_eq!(client.response().await.text(), "contents");
    assert_eq!(client.response().await.text(), "contents");
}

#[anyio::test]
async fn a_body_that_waits_to_be_asked_for_is_asked_for() {
    let server = Server::start(&[]);
    server.put("file", "contents");
    let mut client = server.connect().await;
    for (header, body) in
        [("Content-Length: 5", "hello"), ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n")]
    {
        let head = format!("GET /file HTTP/1.1\r\nHost: h\r\n{header}\r\nExpect: 100-Continue\r\n\r\n");
        client.send(&*head).await;
        assert_eq!(client.head().await.status, 100);
        client.send(body).await;
        assert_eq!(client.response().await.text(), "contents");
        // Who does not wait is not asked, and the connection goes on.
        client.send([&*head, body].concat()).await;
        assert_eq!(client.response().await.text(), "contents");
    }
    // Without a body there is nothing to wait for, and HTTP/1.0 does not know of it.
    let response = client.ask("GET", "/file", "Expect: 100-continue\r\n").await;
    assert_eq!(response.text(), "contents");
    client
        .send("GET /file HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi")
        .await;
    assert_eq!(client.response().await.text(), "contents");
    let response = client.ask("GET", "/file", "Content-Length: 5\r\nExpect: a miracle\r\n").await;
    assert_eq!((response.status, response.header("Connection")), (417, "close"));
}

#[anyio::test]
async fn a_body_that_waits_to_be_asked_for_in_vain_is_not_asked_for() {
    let server = Server::start(&[]);
    let mut client = server.connect().await;
    let response = client.ask("PUT", "/file", "Content-Length: 5\r\nExpect: 100-continue\r\n").await;
    assert_eq!((response.status, response.header("Connection")), (405, "close"));
    client.expect_end().await;
    let mut client = server.connect().await;
    let response = client.ask("GET", "/file", "Content-Length: 70000\r\nExpect: 100-continue\r\n").await;
    assert_eq!((response.status, response.header("Connection")), (413, "close"));
    client.expect_end().await;
}
