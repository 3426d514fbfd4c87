//! What a TLS connection is to be.

use super::{record_boundary::HEADER, server_name::server_name};
use crate::error::{Error, Result};
use rustls::{
    ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection, pki_types::ServerName,
};
use std::{fmt, io, sync::Arc, time::Duration};

/// How many bytes of data a record has at most.
const LARGEST_RECORD: usize = 16 * 1024;

/// How long closing waits for the peer's answer, unless another time is set.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Which side of a connection this is, and how it is to be done. Everything else, such as versions, protocols (ALPN),
/// certificates of clients, the log of keys and the resumption of sessions, is set in the configuration of rustls.
///
/// ```
/// use anyio::streams::tls::TlsOptions;
/// use rustls::ClientConfig;
///
/// # fn example(mut config: ClientConfig) -> anyio::Result<TlsOptions> {
/// config.alpn_protocols = vec![b"h2".into(), b"http/1.1".into()];
/// let options = TlsOptions::client(config, "example.org")?.standard_compatible(false);
/// # Ok(options) }
/// ```
#[derive(Clone)]
pub struct TlsOptions {
    side: Side,
    standard_compatible: bool,
    answer_limit: Duration,
}

#[derive(Clone)]
enum Side {
    Client(Arc<ClientConfig>, ServerName<'static>),
    Server(Arc<ServerConfig>),
}

impl TlsOptions {
    /// The client's side of a connection to a server of this name, which its certificate has to be for: the name of a host,
    /// in any script, or an address.
    ///
    /// # Errors
    /// [`Error::Io`] of the kind `InvalidInput` if it is no such name.
    pub fn client(config: impl Into<Arc<ClientConfig>>, name: &str) -> Result<Self> {
        Ok(Self::new(Side::Client(config.into(), server_name(name)?)))
    }

    /// The server's side.
    pub fn server(config: impl Into<Arc<ServerConfig>>) -> Self {
        Self::new(Side::Server(config.into()))
    }

    fn new(side: Side) -> Self {
        Self { side, standard_compatible: true, answer_limit: ANSWER_LIMIT }
    }

    /// Whether the end of the stream below, without a word of the peer before, is an error, as it is by default: without
    /// that word nobody knows whether all has come. With false it is an end like any other, and closing does not say it
    /// either, as some old peers would have it.
    #[must_use]
    pub fn standard_compatible(mut self, is_compatible: bool) -> Self {
        self.standard_compatible = is_compatible;
        self
    }

    /// How long [closing](super::TlsStream::close) waits at most for the peer to answer, once it was told; one second by
    /// default. Without any time it is not waited for, and if the peer has sent what nobody has received, the system breaks the
    /// connection off: what is still on its way to the peer may be lost then.
    #[must_use]
    pub fn answer_limit(mut self, limit: Duration) -> Self {
        self.answer_limit = limit;
        self
    }

    pub(super) fn longest_wait_for_answer(&self) -> Duration {
        self.answer_limit
    }

    /// How many bytes of data a record of this side has at most.
    pub(super) fn record_length(&self) -> usize {
        let with_header = match &self.side {
            Side::Client(config, _) => config.max_fragment_size,
            Side::Server(config) => config.max_fragment_size,
        };
        with_header.map_or(LARGEST_RECORD, |length| length.saturating_sub(HEADER)).max(1)
    }

    pub(super) fn is_standard_compatible(&self) -> bool {
        self.standard_compatible
    }

    /// Whether connections can be made with these.
    ///
    /// # Errors
    /// Those with which the first connection would fail.
    pub(super) fn check(&self) -> Result<()> {
        self.connection().map(drop)
    }

    /// Whether no bytes would be lost.
    pub(super) fn check_early_data(&self) -> Result<()> {
        match &self.side {
            Side::Server(config) if config.max_early_data_size > 0 => {
                let what = "early data is not supported: nobody would receive it, and it may be a copy of older data";
                Err(Error::Io(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    rustls::Error::General(what.into()),
                )))
            }
            Side::Client(..) | Side::Server(_) => Ok(()),
        }
    }

    /// A new connection. It fails for configurations that cannot be, and for such as would lose bytes.
    pub(super) fn connection(&self) -> Result<Connection> {
        self.check_early_data()?;
        let made = match &self.side {
            Side::Client(config, name) => {
                ClientConnection::new(config.clone(), name.clone()).map(Connection::from)
            }
            Side::Server(config) => ServerConnection::new(config.clone()).map(Connection::from),
        };
        made.map_err(|error| Error::Io(io::Error::new(io::ErrorKind::InvalidInput, error)))
    }
}

impl fmt::Debug for TlsOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match &self.side {
            Side::Client(_, name) => format!("client of {}", name.to_str()),
            Side::Server(_) => "server".into(),
        };
        f.debug_struct("TlsOptions")
            .field("side", &side)
            .field("standard_compatible", &self.standard_compatible)
            .field("answer_limit", &self.answer_limit)
            .finish_non_exhaustive()
    }
}
