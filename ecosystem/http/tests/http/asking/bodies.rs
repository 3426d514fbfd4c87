//! What is sent and what comes back.

use super::{bytes_of, options};
use crate::{client::text, meeting::Meeting};
use anyio::{
    Result,
    streams::{ByteReceiveStream, ByteSendStream, objects::ObjectBytes},
    task_group,
    testing::memory_stream_pair,
};
use anyio_http::{
    ClientBody, ClientErrorKind, ClientOptions, RequestBody, Server, UpgradedStream, on_upgrade, tower,
};
use axum::{Router, routing::get as getting};
use bytes::Bytes;
use futures_util::{AsyncReadExt, AsyncWriteExt};
use http::{HeaderMap, Request, Response, StatusCode, Version, header};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, convert::Infallible, rc::Rc};
use tower_http::compression::CompressionLayer;

/// Sends back what comes while it comes.
async fn echo(request: Request<RequestBody>) -> Result<Response<RequestBody>> {
    let length = request.headers().get(header::CONTENT_LENGTH).cloned();
    let mut answer = Response::new(request.into_body());
    if let Some(length) = length {
        answer.headers_mut().insert("length", length);
    }
    Ok(answer)
}

#[anyio::test]
async fn bodies_are_streamed_in_both_directions_at_once() -> Result<()> {
    for only_http2 in [false, true] {
        let meeting = Rc::new(Meeting::new());
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { Server::new().serve(&*meeting, echo).await });
            let client = options(&meeting).only_http2(only_http2).in_group(tg);
            let (mut ours, theirs) = memory_stream_pair();
            let body = ClientBody::from_stream(theirs, None);
            let mut answer = client.post("http://h/").body(body).send().await?;
            assert_eq!(answer.headers().get("length"), None);
            // The answer comes before the request has ended.
            for n in 0..10 {
                let word = format!("word {n}");
                ours.send(word.clone()).await?;
                assert_eq!(answer.chunk().await?.unwrap(), word);
            }
            ours.send_eof().await?;
            assert_eq!(answer.chunk().await?, None);
            // One whose length is known, read as a stream.
            let (mut ours, theirs) = memory_stream_pair();
            let body = ClientBody::from_stream(theirs, Some(5));
            ours.send("hello and more").await?;
            let answer = client.post("http://h/").body(body).send().await?;
            assert_eq!(answer.headers()["length"], "5");
            let mut answer = ObjectBytes::new(answer.into_body());
            assert_eq!(answer.receive().await?.unwrap(), "hello");
            assert!(answer.receive().await?.is_none());
            tg.cancel();
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[anyio::test]
async fn a_stream_that_ends_too_early_fails_the_request() -> Result<()> {
    let meeting = Rc::new(Meeting::new());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&*meeting, echo).await });
        let client = options(&meeting).in_group(tg);
        let (mut ours, theirs) = memory_stream_pair();
        ours.send("four").await?;
        ours.send_eof().await?;
        let sent = client.post("http://h/").body(ClientBody::from_stream(theirs, Some(5))).send().await;
        let failed = match sent {
            Ok(answer) => answer.bytes().await.unwrap_err(),
            Err(error) => error,
        };
        assert_eq!(failed.kind(), ClientErrorKind::Transfer);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Person {
    name: String,
    born: u16,
}

async fn describe(request: Request<RequestBody>) -> Result<Response<http_body_util::Full<Bytes>>> {
    let line = format!("{} {}", request.method(), request.uri());
    let kind = request.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap().to_owned());
    let authorization =
        request.headers().get(header::AUTHORIZATION).map(|text| text.to_str().unwrap().to_owned());
    let body = bytes_of(request).await?;
    if line == "POST /json" {
        let mut person: Person = serde_json::from_slice(&body).map_err(std::io::Error::other)?;
        person.born += 100;
        return Ok(text(serde_json::to_string(&person).unwrap()));
    }
    let body = String::from_utf8_lossy(&body);
    let mut answer = text(format!("{line} {kind:?} {authorization:?} {body}"));
    if line.ends_with("/latin") {
        *answer.body_mut() = http_body_util::Full::from(&b"caf\xe9"[..]);
        answer
            .headers_mut()
            .insert(header::CONTENT_TYPE, "text/plain; charset=\"iso-8859-1\"".parse().unwrap());
    }
    Ok(answer)
}

#[anyio::test]
async fn what_serde_knows_is_sent_and_read() -> Result<()> {
    let meeting = Rc::new(Meeting::new());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&*meeting, describe).await });
        let client = options(&meeting).in_group(tg);
        let ada = Person { name: "Ada".into(), born: 1815 };
        let answer = client.post("http://h/json").json(&ada).send().await?;
        assert_eq!(answer.json::<Person>().await?, Person { name: "Ada".into(), born: 1915 });
        let said =
            client.post("http://h/form").form(&[("a", "b c"), ("d", "é")]).send().await?.text().await?;
        assert_eq!(said, r#"POST /form Some("application/x-www-form-urlencoded") None a=b+c&d=%C3%A9"#);
        let query = BTreeMap::from([("q", "1 & 2"), ("r", "3")]);
        let said = client.get("http://h/search?p=0").query(&query).send().await?.text().await?;
        assert_eq!(said, "GET /search?p=0&q=1+%26+2&r=3 None None ");
        let said = client.get("http://ada:c%40t@h/").send().await?.text().await?;
        assert_eq!(said, r#"GET / None Some("Basic YWRhOmNAdA==") "#);
        let said = client.get("http://h/").bearer_auth("token").send().await?.text().await?;
        assert_eq!(said, r#"GET / None Some("Bearer token") "#);
        assert_eq!(client.get("http://h/latin").send().await?.text().await?, "café");
        let wrong = client.get("http://h/").send().await?.json::<Person>().await.unwrap_err();
        assert_eq!(wrong.kind(), ClientErrorKind::Decode);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn trailers_come_after_the_body() -> Result<()> {
    let with_trailers = async |_: Request<RequestBody>| {
        let mut trailers = HeaderMap::new();
        trailers.insert("sum", "42".parse().unwrap());
        let frames = [Ok::<_, Infallible>(Frame::data(Bytes::from("body"))), Ok(Frame::trailers(trailers))];
        let mut answer = Response::new(StreamBody::new(futures_util::stream::iter(frames)));
        answer.headers_mut().insert(header::TRAILER, "sum".parse().unwrap());
        anyio::Ok(answer)
    };
    for only_http2 in [false, true] {
        let meeting = Rc::new(Meeting::new());
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { Server::new().serve(&*meeting, with_trailers).await });
            let client = options(&meeting).only_http2(only_http2).in_group(tg);
            let answer = client.get("http://h/").header(header::TE, "trailers").send().await?;
            let collected = answer.into_body().collect().await?;
            assert_eq!(collected.trailers().unwrap()["sum"], "42");
            assert_eq!(collected.to_bytes(), "body");
            tg.cancel();
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[anyio::test]
async fn answers_are_decompressed_and_limited_by_what_comes_out() -> Result<()> {
    let meeting = Rc::new(Meeting::new());
    let long = "na ".repeat(100_000);
    task_group(async |tg| -> Result<()> {
        let router: Router = Router::new()
            .route("/", getting(async || "na ".repeat(100_000)))
            .layer(CompressionLayer::new())
            .route("/broken", getting(async || ([("content-encoding", "gzip")], "this is no gzip")));
        tg.start_soon(async { Server::new().serve(&*meeting, tower(router)).await });
        let client = options(&meeting).in_group(tg);
        let answer = client.get("http://h/").send().await?;
        assert_eq!(answer.headers().get(header::CONTENT_ENCODING), None);
        assert_eq!(answer.text().await?, long);
        let broken = client.get("http://h/broken").send().await?.text().await.unwrap_err();
        assert_eq!(broken.kind(), ClientErrorKind::Decode);
        let plain = options(&meeting).decompress(false).in_group(tg);
        let answer = plain.get("http://h/").header(header::ACCEPT_ENCODING, "gzip").send().await?;
        assert_eq!(answer.headers()[header::CONTENT_ENCODING], "gzip");
        let packed = answer.bytes().await?;
        assert!(packed.len() < 10_000 && packed.starts_with(b"\x1f\x8b"));
        // What is small on the line may be large.
        let limited = options(&meeting).max_body_bytes(10_000).in_group(tg);
        let answer = limited.get("http://h/").send().await?.bytes().await.unwrap_err();
        assert_eq!(answer.kind(), ClientErrorKind::TooLarge);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

async fn shout(stream: UpgradedStream) {
    let (mut read, mut write) = stream.split();
    let mut bytes = [0; 5];
    read.read_exact(&mut bytes).await.unwrap();
    write.write_all(&bytes.to_ascii_uppercase()).await.unwrap();
    write.close().await.unwrap();
}

#[anyio::test]
async fn a_connection_goes_on_as_something_else() -> Result<()> {
    let meeting = Rc::new(Meeting::new());
    let upgrading = async |mut request: Request<RequestBody>| {
        let status = match on_upgrade(&mut request, shout) {
            Ok(()) => StatusCode::SWITCHING_PROTOCOLS,
            Err(_) => StatusCode::UPGRADE_REQUIRED,
        };
        let answer = Response::builder().status(status).header(header::UPGRADE, "shout");
        anyio::Ok(answer.header(header::CONNECTION, "upgrade").body(String::new()).unwrap())
    };
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&*meeting, upgrading).await });
        let client = options(&meeting).in_group(tg);
        let request =
            client.get("http://h/").header(header::CONNECTION, "upgrade").header(header::UPGRADE, "shout");
        let mut stream = request.send().await?.upgrade().await?;
        stream.write_all(b"hello").await?;
        stream.flush().await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        assert_eq!(answer, "HELLO");
        let refused = client.get("http://h/").send().await?.upgrade().await.unwrap_err();
        assert_eq!(refused.kind(), ClientErrorKind::NotUpgraded);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_unix_socket_is_a_server_as_well() -> Result<()> {
    let folder = anyio::tempfile::TemporaryDirectory::new().await?;
    let path = folder.path().join("socket");
    let listener = anyio::net::UnixListener::bind(&path).await?;
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&listener, describe).await });
        let options = ClientOptions::new().connect_to(anyio::net::UnixConnectable::new(path.clone()));
        let answer = options
            .run(async |client| {
                let answer = client.put("http://anything/at/all").body("x").send().await?;
                assert_eq!(answer.version(), Version::HTTP_11);
                answer.text().await
            })
            .await?;
        assert_eq!(answer, "PUT /at/all None None x");
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
