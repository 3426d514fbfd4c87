//! How a request becomes a WebSocket (RFC 6455, 4; over HTTP/2 RFC 8441).

use super::{options::WebSocketOptions, socket::WebSocket};
use crate::{
    RequestBody, UpgradedStream,
    server::{Upgrade, take_upgrade},
};
use async_tungstenite::tungstenite::{handshake::derive_accept_key, protocol::Role};
use bytes::Bytes;
use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION,
        UPGRADE,
    },
};
use http_body_util::Empty;
use hyper::ext::Protocol;
use std::{error::Error as StdError, fmt};

/// Has the connection of a request go on as a WebSocket, in a handler without axum, which answers by what this gives.
///
/// `then` is a part of the connection: see [`on_upgrade`](crate::on_upgrade).
///
/// ```
/// use anyio_http::{RequestBody, websocket::{self, Message, WebSocket, WebSocketOptions}};
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Empty;
///
/// async fn handle(mut request: Request<RequestBody>) -> anyio::Result<Response<Empty<Bytes>>> {
///     let greet = async |mut socket: WebSocket| drop(socket.send("hello").await);
///     Ok(websocket::upgrade(&mut request, &WebSocketOptions::new(), greet).unwrap_or_else(|refused| refused.answer()))
/// }
/// # let _ = handle;
/// ```
///
/// # Errors
/// If the request does not ask for a WebSocket, or not in a way that can be agreed to.
pub fn upgrade(
    request: &mut Request<RequestBody>,
    options: &WebSocketOptions,
    then: impl AsyncFnOnce(WebSocket) + 'static,
) -> Result<Response<Empty<Bytes>>, NotWebSocket> {
    let (method, version, headers) = (request.method().clone(), request.version(), request.headers().clone());
    Ok(Handshake::of(&method, version, &headers, request.extensions_mut())?.accept(options, then))
}

/// A request for a WebSocket.
pub(crate) struct Handshake {
    /// What the answer shows to have been read; over HTTP/2 nothing.
    key: Option<HeaderValue>,
    /// What the client can speak on it.
    protocols: Vec<String>,
    upgrade: Upgrade,
}

impl Handshake {
    pub(crate) fn of(
        method: &Method,
        version: Version,
        headers: &HeaderMap,
        extensions: &mut Extensions,
    ) -> Result<Self, NotWebSocket> {
        let is_http2 = version == Version::HTTP_2;
        match is_http2 {
            true if *method != Method::CONNECT => return Err(NotWebSocket::Method),
            true if extensions.get::<Protocol>().is_none_or(|protocol| protocol.as_str() != "websocket") => {
                return Err(NotWebSocket::NotAsked);
            }
            false if *method != Method::GET || version != Version::HTTP_11 => {
                return Err(NotWebSocket::Method);
            }
            false if !lists(headers, &UPGRADE, "websocket") || !lists(headers, &CONNECTION, "upgrade") => {
                return Err(NotWebSocket::NotAsked);
            }
            _ => {}
        }
        if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(NotWebSocket::Version);
        }
        let key = match is_http2 {
            true => None,
            false => Some(headers.get(SEC_WEBSOCKET_KEY).cloned().ok_or(NotWebSocket::NotAsked)?),
        };
        let protocols = items(headers, &SEC_WEBSOCKET_PROTOCOL).map(str::to_owned).collect();
        let upgrade = take_upgrade(extensions).ok_or(NotWebSocket::NotAsked)?;
        Ok(Self { key, protocols, upgrade })
    }

    pub(crate) fn accept(
        self,
        options: &WebSocketOptions,
        then: impl AsyncFnOnce(WebSocket) + 'static,
    ) -> Response<Empty<Bytes>> {
        let protocol = self.protocols.into_iter().find(|protocol| options.protocols.contains(protocol));
        let (options, spoken) = (options.clone(), protocol.clone());
        self.upgrade.begin(async move |stream: UpgradedStream| {
            then(WebSocket::new(stream, Role::Server, &options, spoken).await).await;
        });
        let mut answer = Response::new(Empty::new());
        if let Some(key) = self.key {
            *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = answer.headers_mut();
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
            let accepted = derive_accept_key(key.as_bytes());
            headers.insert(SEC_WEBSOCKET_ACCEPT, HeaderValue::try_from(accepted).expect("Base64 is text"));
        }
        if let Some(protocol) = protocol.and_then(|protocol| HeaderValue::try_from(protocol).ok()) {
            answer.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        answer
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("protocols", &self.protocols).finish_non_exhaustive()
    }
}

/// What a header lists, with commas between.
fn items<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|item| !item.is_empty())
}

fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    items(headers, name).any(|item| item.eq_ignore_ascii_case(wanted))
}

/// Why a request does not become a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotWebSocket {
    /// It does not ask for one.
    NotAsked,
    /// It is no `GET` over HTTP/1.1 and no `CONNECT` over HTTP/2.
    Method,
    /// It asks for another version of the protocol than 13.
    Version,
}

impl NotWebSocket {
    /// The status of an answer that says so.
    pub fn status(self) -> StatusCode {
        match self {
            Self::NotAsked | Self::Version => StatusCode::UPGRADE_REQUIRED,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
        }
    }

    /// An answer that says so.
    pub fn answer(self) -> Response<Empty<Bytes>> {
        let mut answer = Response::new(Empty::new());
        *answer.status_mut() = self.status();
        self.add_headers(answer.headers_mut());
        answer
    }

    pub(crate) fn add_headers(self, headers: &mut HeaderMap) {
        match self {
            Self::NotAsked | Self::Version => {
                headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
                headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
                headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            Self::Method => {
                headers.insert(http::header::ALLOW, HeaderValue::from_static("GET, CONNECT"));
            }
        }
    }
}

impl fmt::Display for NotWebSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAsked => "the request does not ask for a WebSocket",
            Self::Method => "a WebSocket is asked for by GET over HTTP/1.1 or by CONNECT over HTTP/2",
            Self::Version => "the request asks for a WebSocket of another version than 13",
        })
    }
}

impl StdError for NotWebSocket {}

/// Sends a request of a client for a WebSocket.
#[cfg(feature = "client")]
pub(crate) async fn ask(
    request: crate::ClientRequest<'_>,
    options: &WebSocketOptions,
) -> Result<WebSocket, crate::ClientError> {
    use crate::{ClientError, ClientErrorKind};
    use async_tungstenite::tungstenite::handshake::client::generate_key;

    let refused = |what: &str| ClientError::of_source(ClientErrorKind::NotUpgraded, what);
    let key = generate_key();
    let is_http2 = request.is_http2();
    let mut request = request.header(SEC_WEBSOCKET_VERSION, "13");
    request = match is_http2 {
        true => request.connect("websocket"),
        false => request
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_KEY, &*key),
    };
    if !options.protocols.is_empty() {
        request = request.header(SEC_WEBSOCKET_PROTOCOL, options.protocols.join(", "));
    }
    let answer = request.send().await?;
    let agreed = if is_http2 { StatusCode::OK } else { StatusCode::SWITCHING_PROTOCOLS };
    if answer.status() != agreed {
        return Err(refused(&format!("the server answered {}", answer.status())));
    }
    let headers = answer.headers();
    let accepted = headers.get(SEC_WEBSOCKET_ACCEPT);
    if !is_http2 && accepted.is_none_or(|accepted| *accepted != *derive_accept_key(key.as_bytes())) {
        return Err(refused("the server's answer is to another request"));
    }
    let protocol = headers.get(SEC_WEBSOCKET_PROTOCOL).and_then(|protocol| protocol.to_str().ok());
    let protocol = protocol.map(str::to_owned);
    if protocol.as_ref().is_some_and(|protocol| !options.protocols.contains(protocol)) {
        return Err(refused("the server speaks a protocol that was not offered"));
    }
    Ok(WebSocket::new(answer.upgrade().await?, Role::Client, options, protocol).await)
}
