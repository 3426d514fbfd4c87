//! Where cryptography comes from.

use crate::error::{Error, Result};
use rustls::crypto::CryptoProvider;
use std::{io, sync::Arc};

/// That which the program has installed, or else the one of the feature that is on; ring, if both are.
///
/// # Errors
/// [`Error::Io`] of the kind `Unsupported` if there is none.
pub(super) fn provider() -> Result<Arc<CryptoProvider>> {
    if let Some(installed) = CryptoProvider::get_default() {
        return Ok(installed.clone());
    }
    built_in::provider().map(Arc::new).ok_or_else(|| {
        let what =
            "no provider of cryptography is installed or built in (features `tls-ring` and `tls-aws-lc-rs`)";
        Error::Io(io::Error::new(io::ErrorKind::Unsupported, what))
    })
}

#[cfg(feature = "tls-ring")]
mod built_in {
    pub(super) fn provider() -> Option<rustls::crypto::CryptoProvider> {
        Some(rustls::crypto::ring::default_provider())
    }
}

#[cfg(all(feature = "tls-aws-lc-rs", not(feature = "tls-ring")))]
mod built_in {
    pub(super) fn provider() -> Option<rustls::crypto::CryptoProvider> {
        Some(rustls::crypto::aws_lc_rs::default_provider())
    }
}

#[cfg(not(any(feature = "tls-ring", feature = "tls-aws-lc-rs")))]
mod built_in {
    pub(super) fn provider() -> Option<rustls::crypto::CryptoProvider> {
        None
    }
}
