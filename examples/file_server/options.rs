//! The command line.

use anyio::Backend;
use clap::Parser;
use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

/// Serves the files of a folder over HTTP/1.1.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// The folder to serve.
    #[arg(long, default_value = ".")]
    pub(crate) root: PathBuf,
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// The port to listen on; 0 lets the system choose one.
    #[arg(long, default_value_t = 8080)]
    pub(crate) port: u16,
    /// The file of a certificate in PEM, to serve HTTPS; those between it and the authority stand behind it.
    #[arg(long, requires = "key")]
    pub(crate) certificate: Option<PathBuf>,
    /// The file of the certificate's key in PEM.
    #[arg(long, requires = "certificate")]
    pub(crate) key: Option<PathBuf>,
    /// How many cores to use.
    #[arg(long, default_value = "1")]
    pub(crate) cores: NonZeroUsize,
    /// auto, uring or poll [default: what ANYIO_BACKEND in the environment names, or auto]
    #[arg(long)]
    pub(crate) backend: Option<Backend>,
    /// How many seconds requests in progress get to finish when the server is stopped.
    #[arg(long, value_parser = seconds, default_value = "10")]
    pub(crate) grace: Duration,
    /// How many seconds a connection may be silent between requests.
    #[arg(long, value_parser = seconds, default_value = "60")]
    pub(crate) idle_timeout: Duration,
    /// How many seconds a request may take to arrive, from its first byte to its last.
    #[arg(long, value_parser = seconds, default_value = "10")]
    pub(crate) request_timeout: Duration,
    /// How many seconds a client may take to accept the next piece of a response (64 KiB).
    #[arg(long, value_parser = seconds, default_value = "30")]
    pub(crate) send_timeout: Duration,
    /// Writes no access log.
    #[arg(long)]
    pub(crate) quiet: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}
