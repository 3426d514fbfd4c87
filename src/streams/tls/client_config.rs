//! What clients trust who do not say.

use super::provider::provider;
use crate::error::{Error, Result};
use rustls::{ClientConfig, RootCertStore};
use std::{io, sync::Arc};

/// A configuration for clients that trust the authorities that the system trusts (feature `tls-native-roots`), or else those
/// that Mozilla did when the program was built (`tls-webpki-roots`). With both features those of Mozilla are for systems
/// that have none.
///
/// It is made anew each time, and has a memory for sessions of its own: keep and share it.
///
/// # Errors
/// [`Error::Io`] if there are no such authorities, or no provider of cryptography. [`Error::Cancelled`] if the scope is
/// cancelled.
///
/// # Cancel safety
/// Nothing is left behind.
///
/// ```
/// # anyio::run(async || -> anyio::Result<()> {
/// let mut config = anyio::streams::tls::client_config().await?;
/// config.alpn_protocols = vec![b"http/1.1".into()];
/// # Ok(()) }).unwrap();
/// ```
pub async fn client_config() -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    native::add_to(&mut roots).await?;
    if roots.is_empty() {
        built_in::add_to(&mut roots);
    }
    if roots.is_empty() {
        let what = "this system has no authorities for certificates that could be trusted";
        return Err(Error::Io(io::Error::new(io::ErrorKind::NotFound, what)));
    }
    let config = ClientConfig::builder_with_provider(provider()?)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Io(io::Error::other(error)))?;
    Ok(config.with_root_certificates(Arc::new(roots)).with_no_client_auth())
}

#[cfg(feature = "tls-native-roots")]
mod native {
    use crate::{error::Result, to_thread};
    use rustls::RootCertStore;

    pub(super) async fn add_to(roots: &mut RootCertStore) -> Result<()> {
        // It reads a few hundred files.
        let found = to_thread::run_sync(rustls_native_certs::load_native_certs).await?;
        for error in &found.errors {
            log::warn!("some of the system's certificates cannot be read: {error}");
        }
        let (_, unusable) = roots.add_parsable_certificates(found.certs);
        if unusable > 0 {
            log::debug!("{unusable} of the system's certificates cannot be used");
        }
        Ok(())
    }
}

#[cfg(not(feature = "tls-native-roots"))]
mod native {
    use crate::error::Result;
    use rustls::RootCertStore;

    pub(super) async fn add_to(_: &mut RootCertStore) -> Result<()> {
        Ok(())
    }
}

#[cfg(feature = "tls-webpki-roots")]
mod built_in {
    use rustls::RootCertStore;

    pub(super) fn add_to(roots: &mut RootCertStore) {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
}

#[cfg(not(feature = "tls-webpki-roots"))]
mod built_in {
    use rustls::RootCertStore;

    pub(super) fn add_to(_: &mut RootCertStore) {}
}
