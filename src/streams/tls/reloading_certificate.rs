//! A server's certificate that can be replaced while it serves.

use super::provider::provider;
use crate::{
    error::{Error, Result},
    to_thread,
};
use rustls::{
    ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

/// A certificate and its key out of files in PEM, as they come from most authorities, that are read again when they were
/// replaced. Clones are of one certificate; they may go to other threads, as one configuration may be used by all of them.
///
/// ```no_run
/// use anyio::{Result, signal::{Signal, receiver}, streams::tls::ReloadingCertificate};
/// use std::convert::Infallible;
///
/// async fn reload_on_hangup(certificate: &ReloadingCertificate) -> Result<Infallible> {
///     let hangups = receiver(&[Signal::SIGHUP])?;
///     loop {
///         hangups.receive().await?;
///         if let Err(error) = certificate.reload().await {
///             eprintln!("going on with the old certificate: {error}");
///         }
///     }
/// }
/// ```
#[derive(Clone)]
pub struct ReloadingCertificate {
    files: Arc<Files>,
    provider: Arc<CryptoProvider>,
    current: Arc<Current>,
}

struct Files {
    certificates: PathBuf,
    key: PathBuf,
}

/// What is shown to clients.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

impl ReloadingCertificate {
    /// Reads a certificate, with those between it and the authority behind it in the same file, and its key.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read, or is not what it should be, with its name, or if the key is not that of the
    /// certificate. [`Error::Cancelled`] if the scope is cancelled.
    ///
    /// # Cancel safety
    /// Nothing is left behind.
    pub async fn load(certificates: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self> {
        let files = Files { certificates: certificates.as_ref().to_owned(), key: key.as_ref().to_owned() };
        let provider = provider()?;
        let loaded = files.load(&provider).await?;
        let current = Arc::new(Current(RwLock::new(Arc::new(loaded))));
        Ok(Self { files: Arc::new(files), provider, current })
    }

    /// Reads the files again. Handshakes that begin from now on show the new certificate; connections are left alone. A client
    /// that resumes a session is shown none and goes by the one that it has seen then; to have no more of them, serve with a new
    /// [`server_config`](Self::server_config).
    ///
    /// # Errors
    /// As for [`load`](Self::load), and then the certificate stays as it was.
    ///
    /// # Cancel safety
    /// The certificate is replaced or stays as it was.
    pub async fn reload(&self) -> Result<()> {
        let loaded = Arc::new(self.files.load(&self.provider).await?);
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = loaded;
        Ok(())
    }

    /// A configuration for servers that show this certificate, whatever name they are asked for, and ask for none of the
    /// client.
    ///
    /// # Errors
    /// [`Error::Io`] if the provider of cryptography that the program has installed can do neither TLS 1.2 nor 1.3.
    pub fn server_config(&self) -> Result<ServerConfig> {
        let config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Io(io::Error::other(error)))?;
        Ok(config.with_no_client_auth().with_cert_resolver(self.current.clone()))
    }

    /// What answers for this certificate in a configuration that was made otherwise.
    pub fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        self.current.clone()
    }
}

impl Files {
    async fn load(&self, provider: &CryptoProvider) -> Result<CertifiedKey> {
        let certificates = self.certificates().await?;
        let text = read(&self.key).await?;
        let key = PrivateKeyDer::from_pem_slice(&text)
            .map_err(|error| unusable(&self.key, format_args!("no private key: {error}")))?;
        CertifiedKey::from_der(certificates, key, provider)
            .map_err(|error| unusable(&self.key, format_args!("no key for the certificate: {error}")))
    }

    async fn certificates(&self) -> Result<Vec<CertificateDer<'static>>> {
        let text = read(&self.certificates).await?;
        let certificates = CertificateDer::pem_slice_iter(&text)
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| unusable(&self.certificates, format_args!("no certificate: {error}")))?;
        if certificates.is_empty() {
            return Err(unusable(&self.certificates, format_args!("no certificate")));
        }
        Ok(certificates)
    }
}

async fn read(path: &Path) -> Result<Vec<u8>> {
    let copy = path.to_owned();
    let read = to_thread::for_files(move || fs::read(copy)).await?;
    read.map_err(|error| Error::of_operation(error, "read", path.display()))
}

/// The error of a file that is not what it should be.
fn unusable(path: &Path, what: fmt::Arguments<'_>) -> Error {
    let error = io::Error::new(io::ErrorKind::InvalidData, what.to_string());
    Error::of_operation(error, "load", path.display())
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

impl fmt::Debug for ReloadingCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReloadingCertificate")
            .field("certificates", &self.files.certificates)
            .field("key", &self.files.key)
            .finish_non_exhaustive()
    }
}
