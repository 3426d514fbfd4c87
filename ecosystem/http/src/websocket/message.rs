//! What goes over a WebSocket.

use async_tungstenite::tungstenite::{self, protocol::CloseFrame};
use bytes::Bytes;

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// Text.
    Text(String),
    /// Bytes.
    Binary(Bytes),
    /// Asks the other side for a sign of life, by up to 125 bytes. It is answered without further ado.
    Ping(Bytes),
    /// The answer to [`Ping`](Self::Ping), with its bytes.
    Pong(Bytes),
}

impl Message {
    pub(super) fn into_inner(self) -> tungstenite::Message {
        match self {
            Self::Text(text) => tungstenite::Message::Text(text.into()),
            Self::Binary(bytes) => tungstenite::Message::Binary(bytes),
            Self::Ping(bytes) => tungstenite::Message::Ping(bytes),
            Self::Pong(bytes) => tungstenite::Message::Pong(bytes),
        }
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Binary(bytes.into())
    }
}

/// Why a WebSocket was closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseReason {
    /// The number of the reason (RFC 6455, 7.4): 1000 if nothing is wrong.
    pub code: u16,
    /// A text, mostly for people who look for faults; no more than 123 bytes.
    pub text: String,
}

impl From<CloseReason> for CloseFrame {
    fn from(reason: CloseReason) -> Self {
        Self { code: reason.code.into(), reason: reason.text.into() }
    }
}

impl From<CloseFrame> for CloseReason {
    fn from(frame: CloseFrame) -> Self {
        Self { code: frame.code.into(), text: frame.reason.as_str().to_owned() }
    }
}
