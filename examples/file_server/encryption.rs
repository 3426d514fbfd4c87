//! What is needed to serve HTTPS.

use crate::options::Options;
use anyio::{
    Result,
    signal::{Signal, receiver},
    streams::tls::{ReloadingCertificate, rustls::ServerConfig},
};
use std::{
    io::{self, Write as _},
    sync::Arc,
};

/// The certificate, and how it is shown. All cores share it, and its memory of sessions.
#[derive(Clone)]
pub(crate) struct Encryption {
    certificate: ReloadingCertificate,
    pub(crate) config: Arc<ServerConfig>,
}

impl Encryption {
    /// Loads the certificate that the options name, if they do.
    pub(crate) async fn load(options: &Options) -> Result<Option<Self>> {
        let (Some(certificate), Some(key)) = (&options.certificate, &options.key) else { return Ok(None) };
        let certificate = ReloadingCertificate::load(&**certificate, &**key).await?;
        let mut config = certificate.server_config()?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Some(Self { certificate, config: Arc::new(config) }))
    }

    /// Loads the certificate again at each SIGHUP, for ever.
    pub(crate) async fn reload_on_hangup(&self) -> Result<()> {
        let hangups = receiver(&[Signal::SIGHUP])?;
        loop {
            hangups.receive().await?;
            if let Err(error) = self.certificate.reload().await {
                let _ = writeln!(io::stderr(), "going on with the old certificate: {error}");
            }
        }
    }
}
