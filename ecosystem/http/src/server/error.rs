//! What goes wrong on a connection.

use crate::BoxError;
use std::{
    any::Any,
    error::Error as StdError,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

/// What went wrong on a connection of a [`Server`](crate::Server), and ended one request or the connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The client or the network broke the connection, or spoke something else than HTTP.
    Connection(hyper::Error),
    /// Nothing of a request came in time, or the connection was lost before.
    Handshake(anyio::Error),
    /// The client took too little of what was to be sent to it: the connection was ended, or the stream of HTTP/2 was. See
    /// [`Server::send_timeout`](crate::Server::send_timeout).
    SendTimeout {
        /// How many bytes it has taken.
        sent: u64,
        /// How many it had to take.
        least: u64,
        /// In which time.
        time: Duration,
    },
    /// A handler failed, and 500 was answered.
    Handler(BoxError),
    /// A handler panicked, with this text, and 500 was answered; or the body of an answer did, and its connection has ended.
    Panic(String),
}

impl ConnectionError {
    /// The text of a panic, whose value is dropped.
    pub(super) fn of_panic(payload: Box<dyn Any + Send>) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("no text").to_owned();
        // The value is anybody's, and its destructor may panic as well.
        if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(another);
        }
        Self::Panic(text)
    }

    pub(super) fn log(&self) {
        let mut text = self.to_string();
        let mut source = self.source();
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        match self {
            Self::Connection(_) | Self::Handshake(_) | Self::SendTimeout { .. } => log::debug!("{text}"),
            Self::Handler(_) | Self::Panic(_) => log::error!("{text}"),
        }
    }
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(_) => f.write_str("an HTTP connection ended early"),
            Self::Handshake(_) => f.write_str("no request came"),
            Self::SendTimeout { sent, least, time } => {
                write!(
                    f,
                    "a client took {sent} bytes in {time:?} of what was sent to it, where {least} are the least"
                )
            }
            Self::Handler(_) => f.write_str("a handler failed"),
            Self::Panic(text) => write!(f, "a handler or a body panicked: {text}"),
        }
    }
}

impl StdError for ConnectionError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Connection(error) => Some(error),
            Self::Handshake(error) => Some(error),
            Self::Handler(error) => Some(&**error),
            Self::Panic(_) | Self::SendTimeout { .. } => None,
        }
    }
}
