//! curl as a client. Without curl these tests say so, and test nothing.

use anyio::{Result, net::TcpListener, process::Command, task_group};
use anyio_http::{RequestBody, Server};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use std::convert::Infallible;

/// Echoes what is sent, gives ranges of what is not, and trailers where the path asks for them.
async fn serve(
    request: Request<RequestBody>,
) -> Result<
    Response<StreamBody<impl futures_util::Stream<Item = Result<Frame<Bytes>, Infallible>>>>,
    anyio_http::BodyError,
> {
    let trailers = request.uri().path() == "/trailers";
    let range = request.headers().get(header::RANGE).map(|range| range.to_str().unwrap().to_owned());
    let version = format!("{:?}", request.version());
    let mut body = request.into_body().collect().await?.to_bytes();
    let mut answer = Response::builder().header("version", version);
    if let Some(range) = range {
        let (first, last) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')).unwrap();
        body =
            Bytes::from_static(b"0123456789").slice(first.parse::<usize>().unwrap()..=last.parse().unwrap());
        answer = answer
            .status(StatusCode::PARTIAL_CONTENT)
            .header(header::CONTENT_RANGE, format!("bytes {first}-{last}/10"));
    }
    let mut frames = vec![Ok(Frame::data(body))];
    if trailers {
        let mut sum = HeaderMap::new();
        sum.insert("sum", "42".parse().unwrap());
        frames.push(Ok(Frame::trailers(sum)));
        answer = answer.header(header::TRAILER, "sum");
    }
    Ok(answer.body(StreamBody::new(futures_util::stream::iter(frames))).unwrap())
}

/// What curl writes, or `None` if there is no curl.
async fn curl(arguments: &[&str]) -> Result<Option<String>> {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--max-time", "60"]).args(arguments);
    match command.output().await {
        Ok(output) => {
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            Ok(Some(String::from_utf8(output.stdout).unwrap()))
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("there is no curl here");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[anyio::test]
async fn curl_speaks_both_versions() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let server = Server::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&listener, serve).await });
        for (option, version) in [("--http1.1", "HTTP/1.1"), ("--http2-prior-knowledge", "HTTP/2.0")] {
            let Some(said) =
                curl(&[option, "--write-out", "%header{version}", "--data", "hello ", &url]).await?
            else {
                break;
            };
            assert_eq!(said, format!("hello {version}"));
            let range = curl(&[option, "--write-out", " %{http_code}", "--range", "2-4", &url]).await?;
            assert_eq!(range.unwrap(), "234 206");
            let trailers = curl(&[option, "--verbose", "--data", "a", &format!("{url}trailers")]).await?;
            assert_eq!(trailers.unwrap(), "a");
            let expect = ["--header", "Expect: 100-continue", "--data", "asked", &url];
            assert_eq!(curl(&[&[option], &expect[..]].concat()).await?.unwrap(), "asked");
        }
        let before = server.statistics().accepted_connections;
        if curl(&["--data", "twice ", &url, &url]).await?.is_some_and(|said| said == "twice twice ") {
            assert_eq!(server.statistics().accepted_connections, before + 1);
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    assert_eq!(server.statistics().failed, 0);
    Ok(())
}

#[anyio::test]
async fn curl_uploads_what_it_gets_back() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/", listener.local_addr()?);
    let folder = anyio::tempfile::TemporaryDirectory::new().await?;
    let (sent, received) = (folder.path().join("sent"), folder.path().join("received"));
    let bytes: Vec<u8> = (0..2_000_000u32).map(|n| (n ^ (n >> 8)) as u8).collect();
    sent.write_bytes(bytes.clone()).await?;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&listener, serve).await });
        for option in ["--http1.1", "--http2-prior-knowledge"] {
            let (sent, output) = (text_of(&sent), text_of(&received));
            let uploaded = curl(&[option, "--upload-file", sent, "--output", output, &url]).await?;
            if uploaded.is_some() {
                assert!(received.read_bytes().await? == bytes);
            }
        }
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

fn text_of(path: &anyio::Path) -> &str {
    let path: &std::path::Path = path.as_ref();
    path.to_str().unwrap()
}
