//! Without TLS nothing goes wrong in it.

use std::{error::Error as StdError, fmt};

/// An error that does not happen, because the feature `tls` is off.
#[derive(Debug, Clone, PartialEq)]
pub enum TlsError {}

impl fmt::Display for TlsError {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl StdError for TlsError {}
