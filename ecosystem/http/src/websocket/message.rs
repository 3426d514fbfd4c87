//! What goes over a WebSocket.

use anyio::{Error, Result};
use async_tungstenite::tungstenite::{
    self,
    protocol::{CloseFrame, frame::coding::CloseCode},
};
use bytes::Bytes;
use std::io;

/// How many bytes a ping, a pong, and the reason of a close with its number may have (RFC 6455, 5.5).
const CONTROL: usize = 125;

/// Of which the number of a reason takes two.
const REASON_TEXT: usize = CONTROL - 2;

fn refuse(what: String) -> Result<()> {
    Err(Error::Io(io::Error::new(io::ErrorKind::InvalidInput, what)))
}

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
    /// Looks whether it may be sent.
    pub(super) fn check(&self, limit: usize) -> Result<()> {
        let (what, length, limit) = match self {
            Self::Text(text) => ("a message", text.len(), limit),
            Self::Binary(bytes) => ("a message", bytes.len(), limit),
            Self::Ping(bytes) => ("a ping", bytes.len(), CONTROL),
            Self::Pong(bytes) => ("a pong", bytes.len(), CONTROL),
        };
        if length <= limit {
            return Ok(());
        }
        refuse(format!("{what} of {length} bytes, where there may be {limit}"))
    }

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

impl CloseReason {
    /// Looks whether it may be sent.
    pub(super) fn check(&self) -> Result<()> {
        if self.text.len() > REASON_TEXT {
            return refuse(format!(
                "a reason to close of {} bytes, where there may be {REASON_TEXT}",
                self.text.len()
            ));
        }
        if !CloseCode::from(self.code).is_allowed() {
            return refuse(format!("{} is no number of a reason that can be sent", self.code));
        }
        Ok(())
    }
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
