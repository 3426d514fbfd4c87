//! A client that speaks HTTP/2 and sends whatever frames it is given.

use anyio::{Error, TaskGroup, streams::Split};
use anyio_http::{GroupExecutor, HyperIo};
use bytes::{BufMut, Bytes, BytesMut};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http2};
use prost::Message;

pub(crate) async fn client<'scope>(
    group: &'scope TaskGroup<'scope, '_, Error>,
    stream: impl Split + 'scope,
) -> http2::SendRequest<Full<Bytes>> {
    let (sender, connection) = http2::handshake(GroupExecutor(group), HyperIo::new(stream)).await.unwrap();
    group.start_soon(async { drop(connection.await) });
    sender
}

/// A message as it is sent: not compressed, its length, and its bytes.
pub(crate) fn frame(message: &impl Message) -> Bytes {
    let encoded = message.encode_to_vec();
    frame_of(0, encoded.len() as u32, &encoded)
}

pub(crate) fn frame_of(flag: u8, length: u32, bytes: &[u8]) -> Bytes {
    let mut frame = BytesMut::new();
    frame.put_u8(flag);
    frame.put_u32(length);
    frame.put_slice(bytes);
    frame.freeze()
}

pub(crate) fn request<const N: usize>(
    method: &str,
    headers: [(&str, &str); N],
    body: impl Into<Bytes>,
) -> Request<Full<Bytes>> {
    let mut request = Request::post(format!("http://trial/greeter.Greeter/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(Full::new(body.into())).unwrap()
}

pub(crate) struct Answer {
    pub(crate) http: u16,
    /// From the headers or the trailers; none if the stream was reset before.
    pub(crate) status: Option<String>,
}

pub(crate) async fn answer(answer: Response<Incoming>) -> Answer {
    let http = answer.status().as_u16();
    let text = |headers: &http::HeaderMap| {
        headers.get("grpc-status").map(|status| status.to_str().unwrap().to_owned())
    };
    let status = text(answer.headers());
    let status = match answer.into_body().collect().await {
        Ok(body) => status.or_else(|| body.trailers().and_then(text)),
        Err(_) => status,
    };
    Answer { http, status }
}
