//! What is known of an encrypted connection.

use super::connection_info::ConnectionInfo;
use anyio::streams::{
    Attributes,
    tls::{
        attribute::{PeerCertificates, ServerName},
        rustls::pki_types::CertificateDer,
    },
};

#[derive(Debug, Default)]
pub(super) struct TlsFacts {
    server_name: Option<String>,
    peer_certificates: Vec<CertificateDer<'static>>,
}

impl TlsFacts {
    pub(super) fn of(stream: &impl Attributes) -> Self {
        Self {
            server_name: stream.extra::<ServerName>(),
            peer_certificates: stream.extra::<PeerCertificates>().unwrap_or_default(),
        }
    }
}

impl ConnectionInfo {
    /// The name of the server that the client has asked for over TLS (SNI).
    pub fn server_name(&self) -> Option<&str> {
        self.tls().server_name.as_deref()
    }

    /// The certificates of the client over TLS, its own first; none if it was not asked for them.
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        &self.tls().peer_certificates
    }
}
