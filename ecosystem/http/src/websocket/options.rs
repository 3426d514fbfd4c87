//! What can be chosen about a WebSocket.

use async_tungstenite::tungstenite::protocol::WebSocketConfig;

/// How many bytes there may be to be sent besides a message.
const SPARE: usize = 16 * 1024;

/// What can be chosen about a WebSocket.
#[derive(Debug, Clone)]
#[must_use = "options do nothing by themselves"]
pub struct WebSocketOptions {
    pub(super) max_message_bytes: usize,
    pub(super) protocols: Vec<String>,
}

impl WebSocketOptions {
    /// Messages of up to 16 MiB, and no protocol on top.
    pub fn new() -> Self {
        Self { max_message_bytes: 16 << 20, protocols: Vec::new() }
    }

    /// How many bytes a message may have. A larger one of the other side ends the connection with an error, and a larger one
    /// cannot be sent.
    pub fn max_message_bytes(mut self, limit: usize) -> Self {
        self.max_message_bytes = limit;
        self
    }

    /// What can be spoken on it. A client offers them, the first is the best; a server takes the first of the client's that
    /// is among them. [`WebSocket::protocol`](super::WebSocket::protocol) tells which it is.
    pub fn protocols<P: Into<String>>(mut self, protocols: impl IntoIterator<Item = P>) -> Self {
        self.protocols = protocols.into_iter().map(Into::into).collect();
        self
    }

    pub(super) fn config(&self) -> WebSocketConfig {
        // Thousands of connections that are mostly silent are the usual case.
        WebSocketConfig::default()
            .read_buffer_size(8 * 1024)
            .write_buffer_size(0)
            // A whole message, and answers to pings: who sends those and reads nothing must not fill the memory with them.
            .max_write_buffer_size(self.max_message_bytes.saturating_add(SPARE))
            .max_message_size(Some(self.max_message_bytes))
            .max_frame_size(Some(self.max_message_bytes))
    }
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        Self::new()
    }
}
