//! Handlers of axum's that need not be `Send`, and twins of what axum has for tokio alone.

mod connection;
mod events;
mod local;
#[cfg(feature = "websocket")]
mod websocket;

pub use events::{EventSender, Events, events, produce_events};
pub use local::{Local, LocalFuture, local};
#[cfg(feature = "websocket")]
pub use websocket::{NotWebSocket, WebSocketUpgrade};
