//! Encrypted connections.

use super::versions::Versions;
use anyio::{
    Result,
    streams::{Attributes, Split, tls},
};
use std::{cell::OnceCell, fmt, sync::Arc};
use tls::{TlsOptions, TlsStream, attribute::AlpnProtocol, rustls::ClientConfig};

pub(super) type Encrypted<S> = TlsStream<S>;

/// Whom to trust.
#[derive(Default)]
pub(super) struct Trust {
    pub(super) given: Option<Arc<ClientConfig>>,
    pub(super) versions: Versions,
    to_servers: OnceCell<Arc<ClientConfig>>,
    to_proxies: OnceCell<Arc<ClientConfig>>,
}

impl Trust {
    /// Encrypts what goes to a server.
    pub(super) async fn encrypt<S: Split>(&self, stream: S, host: &str) -> Result<Encrypted<S>> {
        let config = self.config(&self.to_servers, self.versions.protocols()).await?;
        TlsStream::wrap(stream, &TlsOptions::client(config, host)?).await
    }

    /// Encrypts what goes to a proxy, which is asked by HTTP/1.1.
    pub(super) async fn encrypt_to_proxy<S: Split>(&self, stream: S, host: &str) -> Result<Encrypted<S>> {
        let config = self.config(&self.to_proxies, Versions::Http1.protocols()).await?;
        TlsStream::wrap(stream, &TlsOptions::client(config, host)?).await
    }

    /// Made once, for the memory of sessions that lies in it.
    async fn config(
        &self,
        made: &OnceCell<Arc<ClientConfig>>,
        protocols: &[&[u8]],
    ) -> Result<Arc<ClientConfig>> {
        if let Some(made) = made.get() {
            return Ok(made.clone());
        }
        let mut config = match &self.given {
            Some(given) => ClientConfig::clone(given),
            None => tls::client_config().await?,
        };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        // Another request may have made one meanwhile.
        Ok(made.get_or_init(|| Arc::new(config)).clone())
    }
}

pub(super) fn has_chosen_http2<S: Split>(stream: &Encrypted<S>) -> bool {
    stream.extra::<AlpnProtocol>().is_some_and(|protocol| protocol == b"h2")
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trust").finish_non_exhaustive()
    }
}
