//! What goes wrong in TLS.

use rustls::AlertDescription;
use std::{error::Error as StdError, fmt};

/// Says that a TLS connection was refused, and by which side. It is of no further use.
///
/// ```
/// use anyio::{Error, streams::tls::TlsSide};
///
/// fn is_unknown_to_us(error: &Error) -> bool {
///     let Error::Tls(error) = error else { return false };
///     error.refused_by() == TlsSide::Here && matches!(error.cause(), rustls::Error::InvalidCertificate(_))
/// }
/// # let _ = is_unknown_to_us;
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct TlsError {
    cause: rustls::Error,
    in_handshake: bool,
}

/// A side of a TLS connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsSide {
    /// This one.
    Here,
    /// The other one.
    Peer,
}

impl TlsError {
    pub(crate) fn new(cause: rustls::Error, in_handshake: bool) -> Self {
        Self { cause, in_handshake }
    }

    /// Which side refused. What the peer refused is told by its alert alone.
    pub fn refused_by(&self) -> TlsSide {
        match self.alert() {
            Some(_) => TlsSide::Peer,
            None => TlsSide::Here,
        }
    }

    /// The alert by which the peer refused.
    pub fn alert(&self) -> Option<AlertDescription> {
        match self.cause {
            rustls::Error::AlertReceived(alert) => Some(alert),
            _ => None,
        }
    }

    /// Whether it happened in the handshake.
    pub fn in_handshake(&self) -> bool {
        self.in_handshake
    }

    /// What rustls says.
    pub fn cause(&self) -> &rustls::Error {
        &self.cause
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.in_handshake { "TLS handshake" } else { "TLS connection" };
        match self.alert() {
            Some(alert) => write!(f, "{what} refused by the peer: {alert:?}"),
            None => write!(f, "{what} refused by this side: {}", self.cause),
        }
    }
}

/// The text tells of the cause, so that is no [`source`](StdError::source).
impl StdError for TlsError {}
