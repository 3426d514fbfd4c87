//! What clients trust who do not say.

use super::provider::provider;
use crate::error::{Error, Result};
use rustls::{ClientConfig, RootCertStore};
use std::{io, sync::Arc};

/// A configuration for clients that trust whom the system does: by the system's own verifier (feature
/// `tls-platform-verifier`), which on Windows, macOS and Android also knows of certificates that were revoked or forbidden; or
/// because one of the authorities has signed that the system trusts (`tls-native-roots`). Or else by those
/// authorities that Mozilla trusted when the program was built (`tls-webpki-roots`); with one of the others they are for
/// systems that have none.
///
/// A verifier of the system is called in the handshake, on the thread of the run, and may take its time there.
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
    let provider = provider()?;
    let config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Io(io::Error::other(error)))?;
    if let Some(verifier) = platform::verifier(provider).await? {
        return Ok(config.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth());
    }
    let mut roots = RootCertStore::empty();
    native::add_to(&mut roots).await?;
    if roots.is_empty() {
        built_in::add_to(&mut roots);
    }
    if roots.is_empty() {
        let what = "this system has no authorities for certificates that could be trusted";
        return Err(Error::Io(io::Error::new(io::ErrorKind::NotFound, what)));
    }
    Ok(config.with_root_certificates(Arc::new(roots)).with_no_client_auth())
}

#[cfg(feature = "tls-platform-verifier")]
mod platform {
    use crate::{error::Result, to_thread};
    use rustls::{client::danger::ServerCertVerifier, crypto::CryptoProvider};
    use rustls_platform_verifier::Verifier;
    use std::sync::Arc;

    /// `None` if the system trusts nobody.
    pub(super) async fn verifier(
        provider: Arc<CryptoProvider>,
    ) -> Result<Option<Arc<dyn ServerCertVerifier>>> {
        // On some systems it reads a few hundred files.
        match to_thread::run_sync(move || Verifier::new(provider)).await? {
            Ok(verifier) => Ok(Some(Arc::new(verifier))),
            Err(error) => {
                log::warn!("the system has no verifier of certificates: {error}");
                Ok(None)
            }
        }
    }
}

#[cfg(not(feature = "tls-platform-verifier"))]
mod platform {
    use crate::error::Result;
    use rustls::{client::danger::ServerCertVerifier, crypto::CryptoProvider};
    use std::sync::Arc;

    pub(super) async fn verifier(_: Arc<CryptoProvider>) -> Result<Option<Arc<dyn ServerCertVerifier>>> {
        Ok(None)
    }
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
