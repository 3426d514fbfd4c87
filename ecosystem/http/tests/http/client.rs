//! Clients of the tests: one that speaks bytes, and hyper's.

use anyio::{
    Error, Result, TaskGroup,
    streams::{ByteReceiveStream, ByteSendStream, Split},
};
use anyio_http::{GroupExecutor, HyperIo};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};

/// What is asked for by a request without a body that is the last one.
pub(crate) const LAST: &str = "GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
/// And of one that may be followed by others.
pub(crate) const GET: &str = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";

pub(crate) fn text(text: impl Into<String>) -> Response<Full<Bytes>> {
    Response::new(Full::new(Bytes::from(text.into())))
}

pub(crate) fn get(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

/// All that comes until the other side ends.
pub(crate) async fn receive_all(stream: &mut impl ByteReceiveStream) -> Result<String> {
    let mut all = Vec::new();
    while let Some(chunk) = stream.receive().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8(all).unwrap())
}

/// All that comes until this is among it.
pub(crate) async fn receive_until(stream: &mut impl ByteReceiveStream, end: &str) -> Result<String> {
    let mut all = String::new();
    while !all.contains(end) {
        let chunk = stream.receive().await?.ok_or(Error::EndOfStream)?;
        all.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    Ok(all)
}

/// What a server answers to these bytes, until it ends the connection.
pub(crate) async fn exchange<S: Split>(stream: S, bytes: impl AsRef<[u8]>) -> Result<String> {
    let (mut receive, mut send) = stream.split();
    send.send(bytes.as_ref().to_vec()).await?;
    receive_all(&mut receive).await
}

pub(crate) fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

pub(crate) async fn body_of(answer: Response<Incoming>) -> String {
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// hyper's client of HTTP/1.1, whose connection is a child of the group.
pub(crate) async fn http1<'scope>(
    group: &'scope TaskGroup<'scope, '_, Error>,
    stream: impl Split<Receive: 'static> + 'scope,
) -> http1::SendRequest<Full<Bytes>> {
    let (sender, connection) = http1::handshake(HyperIo::new(stream)).await.unwrap();
    group.start_soon(async { drop(connection.await) });
    sender
}

/// hyper's client of HTTP/2.
pub(crate) async fn http2<'scope, 'env>(
    group: &'scope TaskGroup<'scope, 'env, Error>,
    stream: impl Split + 'scope,
) -> http2::SendRequest<Full<Bytes>> {
    let (sender, connection) = http2::handshake(GroupExecutor(group), HyperIo::new(stream)).await.unwrap();
    group.start_soon(async { drop(connection.await) });
    sender
}
