//! Through a proxy (RFC 9110, 9.3.6).

use anyio::{
    Error, Result,
    streams::{ByteReceiveStream, ByteSendStream},
};
use http::HeaderValue;
use std::io;

/// How many bytes the head of a proxy's answer may have.
const HEAD: usize = 16 * 1024;

/// Has a proxy connect to a server. What is sent on the stream goes there then.
pub(super) async fn open<S: ByteReceiveStream + ByteSendStream>(
    stream: &mut S,
    authority: &str,
    authorization: Option<&HeaderValue>,
) -> Result<()> {
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    if let Some(authorization) = authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    stream.send(request).await?;
    let mut head = Vec::new();
    loop {
        let chunk =
            stream.receive().await?.ok_or_else(|| failed("ended the connection without an answer"))?;
        head.extend_from_slice(&chunk);
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut answer = httparse::Response::new(&mut headers);
        match answer.parse(&head) {
            Ok(httparse::Status::Complete(length)) => {
                let status = answer.code.unwrap_or_default();
                if !(200..300).contains(&status) {
                    let reason = answer.reason.unwrap_or_default();
                    return Err(failed(&format!("refused to connect to {authority}: {status} {reason}")));
                }
                // Over TLS it is the client who speaks first.
                if length < head.len() {
                    return Err(failed("sent more than its answer"));
                }
                return Ok(());
            }
            Ok(httparse::Status::Partial) if head.len() < HEAD => {}
            Ok(httparse::Status::Partial) => return Err(failed("sent an answer that is too long")),
            Err(error) => return Err(failed(&format!("does not speak HTTP: {error}"))),
        }
    }
}

fn failed(what: &str) -> Error {
    Error::from(io::Error::other(format!("the proxy {what}")))
}
