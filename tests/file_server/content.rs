//! What is sent.

use crate::server::Server;

/// Bytes in which no part is like another.
fn numbered(length: usize) -> Vec<u8> {
    (0..length.div_ceil(8) as u64)
        .flat_map(|n| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_le_bytes())
        .take(length)
        .collect()
}

#[anyio::test]
async fn a_file_is_sent_with_its_type_and_version() {
    let server = Server::start(&[]);
    server.put("page.css", "body {}");
    let mut client = server.connect().await;
    let response = client.get("/page.css").await;
    assert_eq!((response.status, response.text()), (200, "body {}"));
    assert_eq!(response.header("Content-Type"), "text/css; charset=utf-8");
    assert_eq!(response.header("Accept-Ranges"), "bytes");
    assert!(response.header("ETag").starts_with('"'));
    assert!(response.header("Last-Modified").ends_with(" GMT"));
    assert!(response.header("Date").ends_with(" GMT"));
    for (name, media_type) in
        [("a.png", "image/png"), ("a.JSON", "application/json"), ("a", "application/octet-stream")]
    {
        server.put(name, "");
        let response = client.get(&format!("/{name}")).await;
        assert_eq!(
            (response.status, &*response.content, response.header("Content-Type")),
            (200, &b""[..], media_type)
        );
    }
}

#[anyio::test]
async fn files_of_all_lengths_around_the_size_of_a_piece_are_whole() {
    let server = Server::start(&[]);
    let mut client = server.connect().await;
    for length in [0, 1, 65_000, 65_535, 65_536, 65_537, 131_072, 200_000] {
        let contents = numbered(length);
        server.put(&format!("file{length}"), &contents);
        let response = client.get(&format!("/file{length}")).await;
        assert!(response.content == contents, "of {length} bytes");
    }
}

#[anyio::test]
async fn a_large_file_is_whole() {
    let server = Server::start(&[]);
    let contents = numbered(64 << 20);
    server.put("large", &contents);
    let mut client = server.connect().await;
    client.send("GET /large HTTP/1.1\r\nHost: test\r\n\r\n").await;
    let head = client.head().await;
    assert_eq!(head.header("Content-Length"), (64 << 20).to_string());
    for part in contents.chunks(1 << 20) {
        assert!(client.receive_exactly(part.len()).await == part);
    }
}

#[anyio::test]
async fn head_gives_the_headers_of_get_without_the_content() {
    let server = Server::start(&[]);
    server.put("file.txt", "text");
    server.make_folder("folder");
    let mut client = server.connect().await;
    for path in ["/file.txt", "/folder/", "/folder", "/none"] {
        let whole = client.get(path).await;
        let head = client.ask("HEAD", path, "").await;
        assert_eq!(head.status, whole.status);
        for name in ["Content-Length", "Content-Type", "ETag", "Last-Modified", "Location"] {
            assert_eq!(head.header(name), whole.header(name), "{name} of {path}");
        }
    }
}

#[anyio::test]
async fn a_folder_is_its_index_or_else_a_list() {
    let server = Server::start(&[]);
    server.make_folder("with");
    server.put("with/index.html", "the index");
    server.make_folder("without/b");
    server.put("without/a", "12345");
    let mut client = server.connect().await;
    let response = client.get("/with/").await;
    assert_eq!((response.text(), response.header("Content-Type")), ("the index", "text/html; charset=utf-8"));
    let response = client.get("/without/").await;
    assert_eq!(response.header("Content-Type"), "text/html; charset=utf-8");
    let (folder, file) = (r#"<a href="./b/">b/</a>"#, r#"<a href="./a">a</a></td><td>5 bytes"#);
    let positions = [folder, file, r#"<a href="../">"#].map(|line| response.text().find(line));
    assert!(positions[0] < positions[1] && positions.iter().all(Option::is_some), "{}", response.text());
    assert!(!client.get("/").await.text().contains("../"));
}

#[anyio::test]
async fn a_list_of_hostile_names_is_harmless_and_its_links_work() {
    let server = Server::start(&[]);
    let names = ["<b>&amp;\"'.txt", "a b", "javascript:alert(1)", "50%25", "?q#f", "ü", "\\..", "[1]"];
    for name in names {
        server.put(name, name);
    }
    let mut client = server.connect().await;
    let page = client.get("/").await.text().to_owned();
    assert!(!page.contains("<b>"), "{page}");
    let links: Vec<&str> =
        page.split("href=\".").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(links.len(), names.len());
    let mut found = Vec::new();
    for link in links {
        let response = client.get(link).await;
        assert_eq!(response.status, 200, "{link}");
        found.push(response.text().to_owned());
    }
    found.sort();
    let mut names = names.map(str::to_owned);
    names.sort();
    assert_eq!(found, names);
}
