//! Conditional requests.

use crate::server::Server;

const LONG_AGO: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

#[anyio::test]
async fn a_client_that_has_the_file_does_not_get_it_again() {
    let server = Server::start(&[]);
    server.put("file", "contents");
    let mut client = server.connect().await;
    let version = client.get("/file").await;
    let (tag, modified) = (version.header("ETag"), version.header("Last-Modified"));
    for (headers, status) in [
        (format!("If-None-Match: {tag}\r\n"), 304),
        (format!("If-None-Match: \"a\", W/{tag}\r\n"), 304),
        (format!("If-None-Match: \"a\"\r\nIf-None-Match: {tag}\r\n"), 304),
        ("If-None-Match: *\r\n".into(), 304),
        ("If-None-Match: \"other\"\r\n".into(), 200),
        (format!("If-Modified-Since: {modified}\r\n"), 304),
        (format!("If-Modified-Since: {LONG_AGO}\r\n"), 200),
        ("If-Modified-Since: nonsense\r\n".into(), 200),
        // The tag decides.
        (format!("If-None-Match: \"other\"\r\nIf-Modified-Since: {modified}\r\n"), 200),
        (format!("If-None-Match: {tag}\r\nIf-Modified-Since: {LONG_AGO}\r\n"), 304),
        (format!("If-Match: {tag}\r\n"), 200),
        ("If-Match: *\r\n".into(), 200),
        ("If-Match: \"other\"\r\n".into(), 412),
        (format!("If-Match: W/{tag}\r\n"), 412),
        (format!("If-Unmodified-Since: {modified}\r\n"), 200),
        (format!("If-Unmodified-Since: {LONG_AGO}\r\n"), 412),
    ] {
        let response = client.get_with("/file", &headers).await;
        assert_eq!(response.status, status, "{headers}");
        if status == 304 {
            assert_eq!((response.header("ETag"), response.header("Content-Length")), (tag, ""), "{headers}");
        }
    }
}

#[anyio::test]
async fn a_changed_file_has_another_tag() {
    let server = Server::start(&[]);
    server.put("file", "one");
    let mut client = server.connect().await;
    let before = client.get("/file").await;
    server.put("file", "three");
    let headers = format!("If-None-Match: {}\r\n", before.header("ETag"));
    let after = client.get_with("/file", &headers).await;
    assert_eq!((after.status, after.text()), (200, "three"));
}
