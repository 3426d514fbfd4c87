//! WebSockets.

use crate::websocket::{Handshake, WebSocket, WebSocketOptions};
use axum::{
    extract::FromRequestParts,
    http::request::Parts,
    response::{IntoResponse, Response},
};

pub use crate::websocket::NotWebSocket;

/// An extractor for requests that ask for a WebSocket.
///
/// A page of any site may ask for one in the name of who looks at it: where that matters, check the header `Origin`.
///
/// ```
/// use anyio::Result;
/// use anyio_http::{axum::{WebSocketUpgrade, local}, websocket::{Message, WebSocket}};
/// use axum::{Router, response::Response, routing::any};
///
/// async fn echo(mut socket: WebSocket) -> Result<()> {
///     while let Some(message) = socket.receive().await? {
///         if let Message::Text(_) | Message::Binary(_) = message {
///             socket.send(message).await?;
///         }
///     }
///     Ok(())
/// }
///
/// async fn upgrade(upgrade: WebSocketUpgrade) -> Response {
///     upgrade.on_upgrade(async |socket| drop(echo(socket).await))
/// }
///
/// let router: Router = Router::new().route("/echo", any(local(upgrade)));
/// ```
#[derive(Debug)]
pub struct WebSocketUpgrade {
    handshake: Handshake,
    options: WebSocketOptions,
}

impl WebSocketUpgrade {
    /// What is chosen about it. By default that of [`WebSocketOptions::new`].
    #[must_use]
    pub fn options(mut self, options: WebSocketOptions) -> Self {
        self.options = options;
        self
    }

    /// Has the connection go on as a WebSocket. The handler answers by what this gives. `then` is a part of the connection:
    /// see [`crate::on_upgrade`].
    pub fn on_upgrade(self, then: impl AsyncFnOnce(WebSocket) + 'static) -> Response {
        self.handshake.accept(&self.options, then).into_response()
    }
}

impl<S: Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = NotWebSocket;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NotWebSocket> {
        let handshake = Handshake::of(&parts.method, parts.version, &parts.headers, &mut parts.extensions)?;
        Ok(Self { handshake, options: WebSocketOptions::new() })
    }
}

impl IntoResponse for NotWebSocket {
    fn into_response(self) -> Response {
        let mut answer = (self.status(), self.to_string()).into_response();
        self.add_headers(answer.headers_mut());
        answer
    }
}
