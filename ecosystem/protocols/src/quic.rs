//! QUIC: what quinn-proto leaves to its user.

mod connection;
mod cores;
mod endpoint;
mod identity;
mod signal;
mod socket;

pub use connection::Connection;
pub use cores::Cores;
pub use endpoint::Endpoint;
pub use identity::Identity;

use anyio::Error;
use std::io;

/// What was given cannot be used.
pub fn invalid(text: impl ToString) -> Error {
    Error::Io(io::Error::new(io::ErrorKind::InvalidInput, text.to_string()))
}
