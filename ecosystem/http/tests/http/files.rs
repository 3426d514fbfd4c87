//! A folder that is served.

use crate::{asking::options, meeting::Meeting};
use anyio::{Path, Result, task_group, tempfile::TemporaryDirectory};
use anyio_http::{Client, ClientResponse, Server, files::ServeDir, tower};
use axum::{Router, routing::get};
use http::header;
use std::rc::Rc;

/// Serves a folder with files in it below `/static`, and runs a body with a client.
async fn with_folder(body: impl AsyncFnOnce(&Client, &Path) -> Result<()>) -> Result<()> {
    let (folder, meeting) = (TemporaryDirectory::new().await?, Rc::new(Meeting::new()));
    let root = folder.path().join("root");
    root.mkdir().await?;
    root.join("sub: folder").mkdir().await?;
    folder.path().join("secret").write_bytes("secret").await?;
    root.join("digits.txt").write_bytes("0123456789").await?;
    root.join("empty").write_bytes("").await?;
    root.join("sub: folder").join("index.html").write_bytes("<p>index").await?;
    root.join("large.bin").write_bytes(large()).await?;
    root.join("link").symlink_to("../secret").await?;
    root.join("page.js").write_bytes("plain").await?;
    root.join("page.js.gz").write_bytes("as gzip").await?;
    root.join("page.js.br").write_bytes("as br").await?;
    let files = ServeDir::new(&root).await?.precompressed();
    let router: Router = Router::new()
        .route("/", get(async || "home"))
        .nest_service("/static", files.clone())
        .fallback_service(files);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&*meeting, tower(router)).await });
        options(&meeting)
            .decompress(false)
            .redirects(0)
            .run(async |client| body(client, &root).await)
            .await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

fn large() -> Vec<u8> {
    (0..1_000_000u32).map(|n| (n ^ (n >> 8)) as u8).collect()
}

fn header_of(answer: &ClientResponse, name: header::HeaderName) -> String {
    answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default()
}

#[anyio::test]
async fn files_are_sent_whole_and_in_parts() -> Result<()> {
    with_folder(async |client, _| {
        assert_eq!(client.get("http://h/").send().await?.text().await?, "home");
        let get = async |path: &str, range: &str| -> Result<ClientResponse> {
            Ok(client.get(format!("http://h/static/{path}")).header(header::RANGE, range).send().await?)
        };
        let whole = get("digits.txt", "").await?;
        assert_eq!(header_of(&whole, header::CONTENT_TYPE), "text/plain; charset=utf-8");
        assert_eq!((whole.status().as_u16(), whole.text().await?.as_str()), (200, "0123456789"));
        let part = get("digits.txt", "bytes=2-4").await?;
        assert_eq!(header_of(&part, header::CONTENT_RANGE), "bytes 2-4/10");
        assert_eq!((part.status().as_u16(), part.text().await?.as_str()), (206, "234"));
        assert_eq!(get("digits.txt", "bytes=-3").await?.text().await?, "789");
        let beyond = get("digits.txt", "bytes=10-").await?;
        assert_eq!(
            (beyond.status().as_u16(), header_of(&beyond, header::CONTENT_RANGE)),
            (416, "bytes */10".into())
        );
        let parts = get("digits.txt", "bytes=0-1,5-6").await?;
        assert!(header_of(&parts, header::CONTENT_TYPE).starts_with("multipart/byteranges; boundary="));
        let (length, text) = (parts.content_length().unwrap(), parts.text().await?);
        assert_eq!(length, text.len() as u64);
        assert!(text.contains("Content-Range: bytes 5-6/10\r\n\r\n56\r\n--"), "{text}");
        assert_eq!(get("empty", "").await?.bytes().await?, "");
        let large = get("large.bin", "").await?;
        assert_eq!(large.content_length(), Some(1_000_000));
        assert!(large.bytes().await? == self::large());
        assert!(
            get("large.bin", "bytes=70000-900000").await?.bytes().await? == self::large()[70_000..=900_000]
        );
        let head = client.head("http://h/static/large.bin").send().await?;
        assert_eq!((head.content_length(), head.bytes().await?.len()), (Some(1_000_000), 0));
        Ok(())
    })
    .await
}

#[anyio::test]
async fn conditions_and_encodings_are_heeded() -> Result<()> {
    with_folder(async |client, _| {
        let first = client.get("http://h/digits.txt").send().await?;
        let (tag, modified) = (header_of(&first, header::ETAG), header_of(&first, header::LAST_MODIFIED));
        let with = async |name: header::HeaderName, value: &str| -> Result<u16> {
            let request = client.get("http://h/digits.txt").header(name, value);
            Ok(request.send().await?.status().as_u16())
        };
        assert_eq!(with(header::IF_NONE_MATCH, &tag).await?, 304);
        assert_eq!(with(header::IF_NONE_MATCH, "\"other\"").await?, 200);
        assert_eq!(with(header::IF_MODIFIED_SINCE, &modified).await?, 304);
        assert_eq!(with(header::IF_MATCH, "\"other\"").await?, 412);
        let request = client.get("http://h/digits.txt").header(header::RANGE, "bytes=0-1");
        let answer = request.header(header::IF_RANGE, "\"other\"").send().await?;
        assert_eq!(answer.status(), 200);
        let accepting = async |encodings: &str| -> Result<(String, String, String)> {
            let request = client.get("http://h/page.js").header(header::ACCEPT_ENCODING, encodings);
            let answer = request.send().await?;
            assert_eq!(header_of(&answer, header::VARY), "accept-encoding");
            let (encoding, kind) =
                (header_of(&answer, header::CONTENT_ENCODING), header_of(&answer, header::CONTENT_TYPE));
            Ok((encoding, kind, answer.text().await?))
        };
        let kind = || "text/javascript; charset=utf-8".to_owned();
        assert_eq!(accepting("gzip, br").await?, ("br".into(), kind(), "as br".into()));
        assert_eq!(accepting("gzip;q=0.5, br;q=0").await?, ("gzip".into(), kind(), "as gzip".into()));
        assert_eq!(accepting("gzip; Q=0.001, br;Q=0").await?, ("gzip".into(), kind(), "as gzip".into()));
        assert_eq!(accepting("zstd").await?, (String::new(), kind(), "plain".into()));
        Ok(())
    })
    .await
}

#[anyio::test]
async fn headers_in_several_lines_are_one_list_or_none() -> Result<()> {
    with_folder(async |_, root| {
        let files = ServeDir::new(root).await?;
        let get = async |lines: &[(&str, &str)]| -> Result<u16> {
            let request = http::Request::get("/digits.txt");
            let request = lines.iter().fold(request, |request, &(name, value)| request.header(name, value));
            Ok(files.answer(&request.body(()).unwrap()).await?.status().as_u16())
        };
        let first = files.answer(&http::Request::get("/digits.txt").body(()).unwrap()).await?;
        let of = |name| first.headers()[name].to_str().unwrap();
        let (tag, modified) = (of(header::ETAG), of(header::LAST_MODIFIED));
        assert_eq!(get(&[("if-none-match", "\"other\""), ("if-none-match", tag)]).await?, 304);
        assert_eq!(get(&[("if-none-match", "\"a\", \"b\""), ("if-none-match", "\"c\"")]).await?, 200);
        assert_eq!(get(&[("if-match", "\"other\""), ("if-match", tag)]).await?, 200);
        assert_eq!(get(&[("if-match", "\"other\""), ("if-match", "\"another\"")]).await?, 412);
        // These are no lists: nobody knows which line counts.
        assert_eq!(get(&[("if-modified-since", modified)]).await?, 304);
        assert_eq!(get(&[("if-modified-since", modified), ("if-modified-since", modified)]).await?, 200);
        assert_eq!(get(&[("range", "bytes=0-1")]).await?, 206);
        assert_eq!(get(&[("range", "bytes=0-1"), ("range", "bytes=3-4")]).await?, 200);
        assert_eq!(get(&[("range", "bytes=0-1"), ("if-range", tag)]).await?, 206);
        assert_eq!(get(&[("range", "bytes=0-1"), ("if-range", tag), ("if-range", "\"b\"")]).await?, 200);
        Ok(())
    })
    .await
}

#[anyio::test]
async fn nothing_else_is_sent() -> Result<()> {
    with_folder(async |client, root| {
        let status = async |path: &str| -> Result<u16> {
            Ok(client.get(format!("http://h{path}")).send().await?.status().as_u16())
        };
        assert_eq!(status("/none").await?, 404);
        assert_eq!(status("/digits.txt/").await?, 404);
        assert_eq!(status("/link").await?, 403);
        assert_eq!(status("/static/%2e%2e%2fsecret").await?, 404);
        assert_eq!(status("/a%00b").await?, 400);
        // Written by hand, as clients tidy such paths up.
        let request = http::Request::get("/static/%2e%2e/secret").body(()).unwrap();
        let files = ServeDir::new(root).await?;
        assert_eq!(files.answer(&request).await?.status(), 403);
        let request = http::Request::get("/../secret").body(()).unwrap();
        assert_eq!(files.answer(&request).await?.status(), 403);
        let folder = client.get("http://h/static/sub:%20folder?x=1").send().await?;
        assert_eq!(folder.status(), 301);
        let to = folder.url().join(&header_of(&folder, header::LOCATION)).unwrap();
        assert_eq!(to.as_str(), "http://h/static/sub:%20folder/?x=1");
        assert_eq!(client.get(to).send().await?.text().await?, "<p>index");
        assert_eq!(status("/static/").await?, 404);
        let posted = client.post("http://h/digits.txt").send().await?;
        assert_eq!((posted.status().as_u16(), header_of(&posted, header::ALLOW)), (405, "GET, HEAD".into()));
        Ok(())
    })
    .await
}
