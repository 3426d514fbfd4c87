//! Redirects.

use super::{bytes_of, options};
use crate::{client::text, meeting::Meeting};
use anyio::{Result, task_group};
use anyio_http::{ClientBody, ClientErrorKind, RequestBody, Server};
use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use std::rc::Rc;

/// `/302/where/ever` leads there by that status.
async fn serve(request: Request<RequestBody>) -> Result<Response<Full<Bytes>>> {
    let path = request.uri().path().to_owned();
    let mut parts = path.splitn(3, '/').skip(1);
    let status = parts.next().and_then(|status| status.parse::<u16>().ok());
    if let Some(status) = status {
        let mut answer = text("a redirect");
        *answer.status_mut() = status.try_into().unwrap();
        let to = match parts.next().unwrap() {
            "loop" => path,
            "file" => "file:///etc/passwd".into(),
            "away" => "http://elsewhere/".into(),
            "known" => "http://name:word@elsewhere/".into(),
            to => format!("/{to}"),
        };
        answer.headers_mut().insert(header::LOCATION, to.parse().unwrap());
        return Ok(answer);
    }
    let head = format!("{} {path} {}", request.method(), request.headers()[header::HOST].to_str().unwrap());
    let knows = request.headers().contains_key(header::AUTHORIZATION);
    let kind = request.headers().contains_key(header::CONTENT_TYPE);
    let body = bytes_of(request).await?;
    Ok(text(format!("{head} {knows} {kind} {}", String::from_utf8_lossy(&body))))
}

#[anyio::test]
async fn redirects_are_followed_as_the_standard_says() -> Result<()> {
    let meeting = Rc::new(Meeting::new());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { Server::new().serve(&*meeting, serve).await });
        let client = options(&meeting).in_group(tg);
        let post = async |path: &str| -> Result<String> {
            let request = client.post(format!("http://h{path}")).header(header::CONTENT_TYPE, "a/b");
            Ok(request.bearer_auth("secret").body("body").send().await?.text().await?)
        };
        assert_eq!(post("/301/x").await?, "GET /x h true false ");
        assert_eq!(post("/302/x").await?, "GET /x h true false ");
        assert_eq!(post("/303/x").await?, "GET /x h true false ");
        assert_eq!(post("/307/x").await?, "POST /x h true true body");
        assert_eq!(post("/308/x").await?, "POST /x h true true body");
        assert_eq!(post("/308/307/302/x").await?, "GET /x h true false ");
        // Another server gets no secrets.
        assert_eq!(post("/307/away").await?, "POST / elsewhere false true body");
        // Nor the name of the one before.
        let hosted = client.get("http://h/302/away").header(header::HOST, "special").send().await?;
        assert_eq!(hosted.text().await?, "GET / elsewhere false false ");
        let hosted = client.get("http://h/302/x").header(header::HOST, "special").send().await?;
        assert_eq!(hosted.text().await?, "GET /x special false false ");
        // Who is to ask there is said as everywhere, and not shown.
        let known = client.get("http://h/302/known").send().await?;
        assert_eq!(known.url().as_str(), "http://elsewhere/");
        assert_eq!(known.text().await?, "GET / elsewhere true false ");
        let put = client.put("http://h/302/x").body("body").send().await?;
        assert_eq!(put.url().path(), "/x");
        assert_eq!(put.text().await?, "PUT /x h false false body");
        // A stream cannot be sent again, so the redirect is the answer.
        let stream = ClientBody::from_stream(anyio::testing::memory_stream_pair().1, None);
        let answer = client.post("http://h/307/x").body(stream).send().await?;
        assert_eq!(answer.status(), 307);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn redirects_have_an_end() -> Result<()> {
    let (meeting, server) = (Rc::new(Meeting::new()), Server::new());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.serve(&*meeting, serve).await });
        let client = options(&meeting).redirects(3).in_group(tg);
        let error = client.get("http://h/302/loop").send().await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::TooManyRedirects);
        assert_eq!(server.statistics().accepted_requests, 4);
        assert!(client.get("http://h/302/302/302/x").send().await?.status().is_success());
        let error = client.get("http://h/302/file").send().await.unwrap_err();
        assert_eq!(error.kind(), ClientErrorKind::Transfer);
        let client = options(&meeting).redirects(0).in_group(tg);
        assert_eq!(client.get("http://h/302/x").send().await?.status(), 302);
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
