//! Connecting by TLS.

use super::TcpStream;
use crate::{
    error::Result,
    streams::tls::{TlsOptions, TlsStream},
};
use rustls::ClientConfig;
use std::sync::Arc;

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
