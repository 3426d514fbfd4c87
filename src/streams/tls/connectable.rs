//! Servers to connect to by TLS.

use super::{options::TlsOptions, stream::TlsStream};
use crate::{
    error::Result,
    net::TcpStream,
    streams::{Connectable, Split},
};
use rustls::ClientConfig;
use std::sync::Arc;

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

impl TcpStream {
    /// Connects to a host and does the client's side of the TLS handshake. The certificate has to be for the host of this
    /// name, which may be in any script.
    ///
    /// # Errors
    /// As for [`connect`](Self::connect) and [`TlsStream::wrap`]; [`Error::Io`](crate::Error::Io) of the kind `InvalidInput`
    /// if it is no name of a host.
    ///
    /// # Cancel safety
    /// Nothing is left behind.
    ///
    /// ```
    /// # async fn example(config: std::sync::Arc<rustls::ClientConfig>) -> anyio::Result<()> {
    /// let stream = anyio::net::TcpStream::connect_tls("example.org", 443, config).await?;
    /// # Ok(()) }
    /// ```
    pub async fn connect_tls(
        host: &str,
        port: u16,
        config: impl Into<Arc<ClientConfig>>,
    ) -> Result<TlsStream<TcpStream>> {
        let options = TlsOptions::client(config, host)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        TlsStream::wrap(TcpStream::connect((host, port)).await?, &options).await
    }
}
