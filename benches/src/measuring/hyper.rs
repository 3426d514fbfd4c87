//! What servers on hyper answer, so that only what surrounds hyper differs.

use axum::{body::Body as AxumBody, extract::Path, response::Response as AxumResponse};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body_util::{BodyExt, Full};

/// Longer answers are not asked for.
pub(crate) const MAX_ANSWER: usize = 1 << 20;

/// How many bytes a short answer has.
pub(crate) const ANSWER_BYTES: usize = 13;

static BODY: [u8; MAX_ANSWER] = [b'x'; MAX_ANSWER];

/// hyper would write the time.
const DATE: &str = "Sat, 21 Nov 2026 12:00:00 GMT";

/// So many bytes for `/BYTES`, once the body of the request is there.
pub(crate) async fn answer<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, B::Error>
where
    B: hyper::body::Body,
{
    let length = request.uri().path()[1..].parse().unwrap_or(0);
    let mut body = std::pin::pin!(request.into_body());
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(with_headers(Response::new(Full::new(bytes(length)))))
}

/// The same as a handler of axum's.
pub(crate) async fn axum_answer(Path(length): Path<usize>, mut body: AxumBody) -> AxumResponse {
    while let Some(frame) = body.frame().await {
        if frame.is_err() {
            break;
        }
    }
    with_headers(AxumResponse::new(AxumBody::from(bytes(length))))
}

fn bytes(length: usize) -> Bytes {
    Bytes::from_static(&BODY[..length.min(MAX_ANSWER)])
}

fn with_headers<B>(mut answer: Response<B>) -> Response<B> {
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    answer.headers_mut().insert(header::DATE, HeaderValue::from_static(DATE));
    answer
}

/// The bytes of an answer of this length.
pub(crate) fn answer_bytes(length: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ndate: {DATE}\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), &BODY[..length]].concat()
}

/// The bytes of a request for an answer of this length.
pub(crate) fn get(length: usize) -> Vec<u8> {
    format!("GET /{length} HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nAccept: */*\r\n\r\n").into_bytes()
}

/// The bytes of an upload of this length, which is answered by 13.
pub(crate) fn upload(length: usize) -> Vec<u8> {
    let head = format!("POST /13 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), &BODY[..length]].concat()
}
