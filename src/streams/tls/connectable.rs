//! Servers to connect to by TLS.

use super::{options::TlsOptions, stream::TlsStream};
use crate::{
    error::Result,
    streams::{Connectable, Split},
};

/// Connects to what it wraps, and does the client's side of the TLS handshake.
///
/// ```
/// use anyio::{Result, net::TcpConnectable, streams::tls::{TlsConnectable, TlsOptions}};
///
/// # fn example(config: rustls::ClientConfig) -> Result<TlsConnectable<TcpConnectable<&'static str>>> {
/// let options = TlsOptions::client(config, "example.org")?;
/// let server = TlsConnectable::new(TcpConnectable::new("example.org:443"), options);
/// # Ok(server) }
/// ```
#[derive(Debug, Clone)]
pub struct TlsConnectable<C> {
    connectable: C,
    options: TlsOptions,
}

impl<C> TlsConnectable<C> {
    /// Wraps something to connect to.
    pub fn new(connectable: C, options: TlsOptions) -> Self {
        Self { connectable, options }
    }
}

impl<C: Connectable<Stream: Split>> Connectable for TlsConnectable<C> {
    type Stream = TlsStream<C::Stream>;

    async fn connect(&self) -> Result<Self::Stream> {
        TlsStream::wrap(self.connectable.connect().await?, &self.options).await
    }
}
