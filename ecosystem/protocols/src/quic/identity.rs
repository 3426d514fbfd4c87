//! Certificates and configurations.

use super::invalid;
use anyio::Result;
use quinn_proto::{ClientConfig, ServerConfig};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer},
};
use std::sync::Arc;

/// A certificate for `localhost`, signed by itself, with its key.
pub struct Identity {
    /// The certificate, as clients have to know it (DER).
    pub certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Identity {
    /// Makes one.
    pub fn new() -> Result<Self> {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).map_err(invalid)?;
        Ok(Self { certificate: made.cert.der().to_vec(), key: made.signing_key.serialize_der() })
    }

    pub(super) fn server_config(&self) -> Result<ServerConfig> {
        let certificate = CertificateDer::from(self.certificate.clone());
        let key = PrivateKeyDer::try_from(self.key.clone()).map_err(invalid)?;
        ServerConfig::with_single_cert(vec![certificate], key).map_err(invalid)
    }
}

/// What a client needs that trusts this certificate alone.
pub(super) fn client_config(certificate: &[u8]) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(certificate.to_vec())).map_err(invalid)?;
    ClientConfig::with_root_certificates(Arc::new(roots)).map_err(invalid)
}
