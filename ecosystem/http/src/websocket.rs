//! WebSockets (RFC 6455), of clients and of servers, by [tungstenite](https://docs.rs/tungstenite).

mod handshake;
mod message;
mod options;
mod patient;
mod socket;

pub(crate) use handshake::Handshake;
#[cfg(feature = "client")]
pub(crate) use handshake::ask;
pub use handshake::{NotWebSocket, upgrade};
pub use message::{CloseReason, Message};
pub use options::WebSocketOptions;
pub use socket::{WebSocket, WebSocketReceiveHalf, WebSocketSendHalf};
