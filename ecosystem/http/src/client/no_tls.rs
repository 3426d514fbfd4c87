//! What stands for encrypted connections where there is no TLS.

use super::versions::Versions;
use anyio::{Error, Result, streams::Split};

pub(super) type Encrypted<S> = S;

#[derive(Debug, Default)]
pub(super) struct Trust {
    pub(super) versions: Versions,
}

impl Trust {
    pub(super) async fn encrypt<S: Split>(&self, _: S, _: &str) -> Result<Encrypted<S>> {
        Err(Error::Unsupported("HTTPS without the feature `tls` of anyio-http"))
    }

    pub(super) async fn encrypt_to_proxy<S: Split>(&self, stream: S, host: &str) -> Result<Encrypted<S>> {
        self.encrypt(stream, host).await
    }
}

pub(super) fn has_chosen_http2<S: Split>(_: &Encrypted<S>) -> bool {
    false
}
