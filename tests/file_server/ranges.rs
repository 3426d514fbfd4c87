//! Byte ranges.

use crate::server::Server;

#[anyio::test]
async fn one_range_is_sent_alone() {
    let server = Server::start(&[]);
    server.put("digits", "0123456789");
    let mut client = server.connect().await;
    for (range, content, content_range) in [
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=2-4", "234", "bytes 2-4/10"),
        ("bytes=7-", "789", "bytes 7-9/10"),
        ("bytes=-3", "789", "bytes 7-9/10"),
        ("bytes=-30", "0123456789", "bytes 0-9/10"),
        ("bytes=5-99999999999999999999999", "56789", "bytes 5-9/10"),
        ("BYTES = 2-4", "234", "bytes 2-4/10"),
        ("bytes=2-4,20-", "234", "bytes 2-4/10"),
    ] {
        let response = client.get_with("/digits", &format!("Range: {range}\r\n")).await;
        assert_eq!((response.status, response.text()), (206, content), "{range}");
        assert_eq!(response.header("Content-Range"), content_range, "{range}");
        assert_eq!(response.header("Content-Type"), "application/octet-stream");
    }
}

#[anyio::test]
async fn a_range_that_does_not_exist_is_refused_with_the_length() {
    let server = Server::start(&[]);
    server.put("digits", "0123456789");
    server.put("empty", "");
    let mut client = server.connect().await;
    for (path, range, length) in [
        ("/digits", "10-", 10),
        ("/digits", "99999999999999999999999-", 10),
        ("/digits", "-0", 10),
        ("/empty", "0-", 0),
    ] {
        let response = client.get_with(path, &format!("Range: bytes={range}\r\n")).await;
        assert_eq!(
            (response.status, response.header("Content-Range")),
            (416, &*format!("bytes */{length}")),
            "{range}"
        );
    }
}

#[anyio::test]
async fn ranges_that_make_no_sense_are_ignored() {
    let server = Server::start(&[]);
    server.put("digits", "0123456789");
    let mut client = server.connect().await;
    let many = format!("bytes={}", ["0-0"; 17].join(","));
    for range in [
        "bytes=4-2",
        "bytes=a-b",
        "bytes=--1",
        "bytes=+1-2",
        "bytes=",
        "bytes",
        "lines=1-2",
        "bytes=1-2,x",
        &many,
        // More than there is.
        "bytes=0-9,0-9",
    ] {
        let response = client.get_with("/digits", &format!("Range: {range}\r\n")).await;
        assert_eq!((response.status, response.text()), (200, "0123456789"), "{range}");
    }
    let head = client.ask("HEAD", "/digits", "Range: bytes=0-1\r\n").await;
    assert_eq!((head.status, head.header("Content-Length")), (200, "10"));
}

#[anyio::test]
async fn several_ranges_are_parts_of_one_message() {
    let server = Server::start(&[]);
    server.put("digits.txt", "0123456789");
    let mut client = server.connect().await;
    let response = client.get_with("/digits.txt", "Range: bytes=0-1, 4-5,-1\r\n").await;
    assert_eq!(response.status, 206);
    let boundary = response.header("Content-Type").strip_prefix("multipart/byteranges; boundary=").unwrap();
    let part = |range: &str, content: &str| {
        format!(
            "\r\n--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes {range}/10\r\n\r\n{content}"
        )
    };
    let expected =
        [part("0-1", "01"), part("4-5", "45"), part("9-9", "9"), format!("\r\n--{boundary}--\r\n")].concat();
    assert_eq!(response.text(), expected);
}

#[anyio::test]
async fn ranges_are_sent_only_of_the_version_that_the_client_has() {
    let server = Server::start(&[]);
    server.put("digits", "0123456789");
    let mut client = server.connect().await;
    let version = client.get("/digits").await;
    let (tag, modified) = (version.header("ETag"), version.header("Last-Modified"));
    for (condition, status) in [
        (tag, 206),
        (modified, 206),
        ("\"other\"", 200),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 200),
        (&format!("W/{tag}"), 200),
        ("nonsense", 200),
    ] {
        let headers = format!("Range: bytes=1-2\r\nIf-Range: {condition}\r\n");
        assert_eq!(client.get_with("/digits", &headers).await.status, status, "{condition}");
    }
}
