//! The command line.

use anyio::Backend;
use clap::Parser;
use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

/// Serves the files of a folder over HTTP/1.1.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// The folder to serve.
    #[arg(default_value = ".")]
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
    /// How many connections one address may have; 0 for as many as it likes.
    #[arg(long, default_value_t = 0)]
    pub(crate) connections_per_address: usize,
    /// The file that is sent for a folder, if it is there [default: index.html].
    #[arg(long, default_value = "index.html")]
    pub(crate) index: String,
    /// Sends the index of the whole folder for paths that lead nowhere, as applications in one page want it.
    #[arg(long)]
    pub(crate) spa: bool,
    /// Shows no folders that have no index.
    #[arg(long)]
    pub(crate) no_listing: bool,
    /// Serves files and folders whose names begin with a dot, too.
    #[arg(long)]
    pub(crate) hidden: bool,
    /// Neither compresses text nor sends compressed files (NAME.br, NAME.gz) in place of others.
    #[arg(long)]
    pub(crate) no_compression: bool,
    /// A header for all answers, such as "Cache-Control: no-cache"; may be there several times.
    #[arg(long = "header", value_parser = header, value_name = "NAME: VALUE")]
    pub(crate) headers: Vec<String>,
    /// Lets pages of all other origins use what is served.
    #[arg(long)]
    pub(crate) cors: bool,
    /// Writes no access log.
    #[arg(long)]
    pub(crate) quiet: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn header(text: &str) -> Result<String, String> {
    let (name, value) = text.split_once(':').ok_or("a header is written as NAME: VALUE")?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(format!("{name:?} is no name of a header"));
    }
    let value = value.trim();
    if value.bytes().any(|byte| byte < b' ' && byte != b'\t' || byte == 0x7f) {
        return Err("the value of a header is one line of text".to_owned());
    }
    Ok(format!("{name}: {value}\r\n"))
}

impl Options {
    /// The headers that all answers have.
    pub(crate) fn extra_headers(&self) -> String {
        let cors = if self.cors { "Access-Control-Allow-Origin: *\r\n" } else { "" };
        self.headers.iter().map(|header| &**header).chain([cors]).collect()
    }
}
