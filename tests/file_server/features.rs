//! What can be chosen: what is served, in which form, and with which headers. And that nothing old is sent.

use crate::server::Server;
use anyio::{Result, sleep};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use std::{
    io::{Read as _, Write as _},
    time::Duration,
};

fn gunzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[anyio::test]
async fn a_changed_replaced_or_truncated_file_is_noticed_within_a_second() -> Result<()> {
    let server = Server::start(&[]);
    for length in [10, 40_000, 200_000] {
        server.put("file", "a".repeat(length));
        let mut client = server.connect().await;
        let mut last_tag = String::new();
        for step in 0..4 {
            let expected = match step {
                0 => "a".repeat(length),
                1 => "b".repeat(length),
                2 => "c".repeat(length / 2),
                _ => "d".repeat(length + 1),
            };
            // The system's clock for files is coarse.
            sleep(Duration::from_millis(20)).await?;
            match step {
                0 => {}
                // Another file under the same name.
                1 => {
                    server.put("new", &expected);
                    std::fs::rename(server.path("new"), server.path("file")).unwrap();
                }
                _ => server.put("file", &expected),
            }
            if step > 0 {
                sleep(Duration::from_secs(1)).await?;
            }
            // From the disk, and again when it is at hand.
            for _ in 0..2 {
                let response = client.get("/file").await;
                assert!(response.status == 200 && response.text() == expected, "{length}, {step}");
                assert_ne!(response.header("ETag"), last_tag);
            }
            last_tag = client.get("/file").await.header("ETag").to_owned();
        }
        std::fs::remove_file(server.path("file")).unwrap();
        sleep(Duration::from_secs(1)).await?;
        assert_eq!(client.get("/file").await.status, 404);
    }
    Ok(())
}

#[anyio::test]
async fn answers_that_are_ready_are_as_complete_as_others() {
    let server = Server::start(&["--header", "X-Kind: test"]);
    server.put("file.txt", "contents");
    let mut client = server.connect().await;
    let first = client.get("/file.txt").await;
    for _ in 0..3 {
        let again = client.get("/file.txt").await;
        assert_eq!((again.status, again.text()), (200, "contents"));
        for name in ["Content-Type", "ETag", "Last-Modified", "Accept-Ranges", "X-Kind", "Server", "Vary"] {
            assert!(!again.header(name).is_empty() && again.header(name) == first.header(name), "{name}");
        }
        assert!(again.header("Date").ends_with("GMT") && again.header("Connection").is_empty());
    }
    // What is special is answered by its own rules, and what follows in the same packet is not lost.
    let tag = first.header("ETag").to_owned();
    assert_eq!(client.get_with("/file.txt", &format!("If-None-Match: {tag}\r\n")).await.status, 304);
    assert_eq!(client.get_with("/file.txt", "Range: bytes=1-3\r\n").await.text(), "ont");
    client.send("GET /file.txt HTTP/1.1\r\nHost: h\r\n\r\n".repeat(3)).await;
    for _ in 0..3 {
        assert_eq!(client.response().await.text(), "contents");
    }
    client.send("GET /file.txt HTTP/1.1\r\n\r\n").await;
    assert_eq!(client.response().await.status, 400);
}

#[anyio::test]
async fn text_is_compressed_for_those_who_take_it() {
    let server = Server::start(&[]);
    let text = "All work and no play. ".repeat(500);
    server.put("page.html", &text);
    server.put("picture.png", &text);
    server.put("short.txt", "short");
    let mut client = server.connect().await;
    let plain = client.get("/page.html").await;
    assert_eq!((plain.text(), plain.header("Vary")), (&*text, "Accept-Encoding"));
    for _ in 0..2 {
        let packed = client.get_with("/page.html", "Accept-Encoding: deflate, gzip;q=0.5\r\n").await;
        assert_eq!((packed.header("Content-Encoding"), gunzip(&packed.content)), ("gzip", text.clone()));
        assert!(packed.content.len() < 1000 && packed.header("ETag") != plain.header("ETag"));
        assert_eq!(packed.header("Content-Type"), "text/html; charset=utf-8");
        let condition = format!("Accept-Encoding: gzip\r\nIf-None-Match: {}\r\n", packed.header("ETag"));
        assert_eq!(client.get_with("/page.html", &condition).await.status, 304);
    }
    for (path, headers) in [
        ("/page.html", "Accept-Encoding: gzip;q=0\r\n"),
        ("/page.html", "Accept-Encoding: gzip\r\nRange: bytes=0-9\r\n"),
        ("/picture.png", "Accept-Encoding: gzip\r\n"),
        ("/short.txt", "Accept-Encoding: gzip\r\n"),
    ] {
        let response = client.get_with(path, headers).await;
        assert_eq!(response.header("Content-Encoding"), "", "{path} {headers}");
    }
}

#[anyio::test]
async fn compressed_files_are_sent_in_place_of_others_unless_they_are_older() -> Result<()> {
    let server = Server::start(&[]);
    server.put("page.html", "plain");
    server.put("page.html.gz", gzip("packed"));
    server.put("page.html.br", "not looked at");
    let mut client = server.connect().await;
    assert_eq!(client.get("/page.html").await.text(), "plain");
    let packed = client.get_with("/page.html", "Accept-Encoding: gzip\r\n").await;
    assert_eq!((packed.header("Content-Encoding"), &*gunzip(&packed.content)), ("gzip", "packed"));
    assert_eq!(packed.header("Content-Type"), "text/html; charset=utf-8");
    let best = client.get_with("/page.html", "Accept-Encoding: gzip, br\r\n").await;
    assert_eq!((best.header("Content-Encoding"), best.text()), ("br", "not looked at"));
    sleep(Duration::from_millis(1100)).await?;
    server.put("page.html", "newer");
    sleep(Duration::from_millis(1000)).await?;
    let newer = client.get_with("/page.html", "Accept-Encoding: gzip, br\r\n").await;
    assert_eq!((newer.header("Content-Encoding"), newer.text()), ("", "newer"));
    Ok(())
}

#[anyio::test]
async fn hidden_files_are_served_only_if_that_is_asked_for() {
    for (arguments, status) in [(&[][..], 404), (&["--hidden"][..], 200)] {
        let server = Server::start(arguments);
        server.make_folder(".git");
        server.make_folder(".well-known");
        server.put(".git/config", "secret");
        server.put(".htaccess", "secret");
        server.put(".well-known/security.txt", "for all");
        let mut client = server.connect().await;
        for path in ["/.git/config", "/.git/", "/.htaccess", "/%2Ehtaccess", "/./.git/config"] {
            assert_eq!(client.get(path).await.status, status, "{path}");
        }
        assert_eq!(client.get("/.well-known/security.txt").await.text(), "for all");
        let list = client.get("/").await;
        assert_eq!(list.text().contains(".git") && list.text().contains(".htaccess"), status == 200);
    }
}

#[anyio::test]
async fn folders_are_listed_in_the_order_that_is_asked_for() {
    let server = Server::start(&[]);
    for (name, length) in [("a", 30), ("b", 10), ("c", 20)] {
        server.put(name, "x".repeat(length));
    }
    server.make_folder("z");
    let order = |page: &str| -> String {
        let mut places: Vec<(usize, char)> =
            "abcz".chars().map(|name| (page.find(&format!("\"./{name}")).unwrap(), name)).collect();
        places.sort();
        places.into_iter().map(|(_, name)| name).collect()
    };
    let mut client = server.connect().await;
    for (query, expected) in [
        ("", "zabc"),
        ("?sort=name&order=desc", "zcba"),
        ("?sort=size", "zbca"),
        ("?sort=size&order=desc", "zacb"),
        ("?sort=nonsense&order=", "zabc"),
    ] {
        let page = client.get(&format!("/{query}")).await;
        assert_eq!(order(page.text()), expected, "{query}");
        assert!(page.text().contains("30 bytes") && page.text().contains("<td>20"));
    }
}

#[anyio::test]
async fn long_lists_are_complete_and_in_order() {
    let server = Server::start(&[]);
    let names: Vec<_> = (0..1500).map(|number| format!("{number:04}")).collect();
    for name in &names {
        server.put(name, name);
    }
    let page = server.connect().await.get("/?sort=name&order=desc").await;
    let shown: Vec<_> = page.text().split("href=\"./").skip(1).map(|rest| &rest[..4]).collect();
    assert!(shown.iter().rev().eq(names.iter()), "{} of {}", shown.len(), names.len());
}

#[anyio::test]
async fn folders_without_an_index_need_not_be_shown() {
    let server = Server::start(&["--no-listing", "--index", "start.htm"]);
    server.make_folder("empty");
    server.put("start.htm", "here");
    let mut client = server.connect().await;
    assert_eq!(client.get("/").await.text(), "here");
    assert_eq!(client.get("/empty/").await.status, 403);
}

#[anyio::test]
async fn applications_in_one_page_get_it_for_every_path() {
    let server = Server::start(&["--spa"]);
    server.put("index.html", "the page");
    server.put("script.js", "code");
    let mut client = server.connect().await;
    for path in ["/", "/users/5", "/users/5/", "/none.html?x"] {
        let response = client.get(path).await;
        assert_eq!((response.status, response.text()), (200, "the page"), "{path}");
    }
    assert_eq!(client.get("/script.js").await.text(), "code");
    // What comes to be there is not hidden by what was sent before.
    server.put("none.html", "there now");
    assert_eq!(client.get("/none.html").await.text(), "there now");
    assert_eq!(client.get("/..").await.status, 403);
}

#[anyio::test]
async fn headers_are_added_to_all_answers() {
    let server = Server::start(&["--header", "Cache-Control: no-cache", "--cors"]);
    server.put("file", "x");
    let mut client = server.connect().await;
    for path in ["/file", "/none", "/"] {
        let response = client.get(path).await;
        assert_eq!(response.header("Cache-Control"), "no-cache", "{path}");
        assert_eq!(response.header("Access-Control-Allow-Origin"), "*", "{path}");
    }
    let preflight = client.ask("OPTIONS", "/file", "Origin: http://elsewhere\r\n").await;
    assert_eq!(
        (preflight.status, preflight.header("Access-Control-Allow-Methods")),
        (204, "GET, HEAD, OPTIONS")
    );
    for wrong in ["no colon", ": no name", "A B: c", "X: one\r\nY: two"] {
        let output = crate::server::command().args(["--port=0", "--header", wrong]).output().unwrap();
        assert!(!output.status.success(), "{wrong}");
    }
}

#[anyio::test]
async fn one_address_has_no_more_connections_than_it_may() {
    let server = Server::start(&["--connections-per-address", "2"]);
    server.put("file", "x");
    let (mut one, mut other) = (server.connect().await, server.connect().await);
    assert_eq!((one.get("/file").await.status, other.get("/file").await.status), (200, 200));
    let mut third = server.connect().await;
    let refused = third.response().await;
    assert_eq!((refused.status, refused.header("Connection")), (503, "close"));
    let mut fourth = server.connect().await;
    assert_eq!(fourth.response().await.status, 503);
    // As many as may be connected are told so, and no more while those stay.
    server.connect().await.expect_end().await;
    drop((third, fourth));
    one.send_eof().await;
    one.expect_end().await;
    assert_eq!(server.connect().await.get("/file").await.status, 200);
}
