//! The server on one core: the tasks there are.
//!
//! ```text
//! task group
//! ├── the access log, written in the background
//! ├── the cache, swept from time to time
//! └── task group of the connections
//!     ├── accepting                     ends when the server finishes
//!     └── one task for each connection  ends when the server finishes and it waits for the next request
//! ```

use crate::{
    access_log::AccessLog,
    addresses::{Addresses, Entry},
    cache::Cache,
    connection::Connection,
    encryption::Encryption,
    folder::Folder,
    options::Options,
    output::say,
    stream::{ClientStream, Entrance},
};
use anyio::{
    Core, Error, ErrorGroup, Result,
    cores::CoreListener,
    net::TcpStream,
    shield,
    streams::{self, Listener},
    task_group,
};
use std::{
    convert::Infallible,
    io::{self, Write as _},
    path::Path,
};

/// What the connections of one core share.
pub(crate) struct Server<'a> {
    pub(crate) options: &'a Options,
    pub(crate) folder: Folder<'a>,
    pub(crate) cache: Cache,
    /// The headers that all answers have.
    pub(crate) extra: String,
    addresses: &'a Addresses,
    pub(crate) log: AccessLog,
}

/// Serves until the server is told to finish.
pub(crate) async fn run(
    core: &Core,
    listener: CoreListener,
    encryption: Option<&Encryption>,
    root: &Path,
    options: &Options,
    addresses: &Addresses,
) -> Result<()> {
    let server = &Server::new(options, root, addresses);
    let address = listener.local_addr()?;
    let (scheme, entrance) = match encryption {
        Some(encryption) => ("https", Entrance::encrypted(listener, encryption.config.clone(), addresses)),
        None => ("http", Entrance::Plain(listener)),
    };
    if core.index() == 0 {
        say!("serving {} on {scheme}://{address}", root.display())?;
        say!("{} core(s), stopped by SIGINT or SIGTERM", core.count())?;
    }
    task_group(async |tg| -> Result<()> {
        tg.start_soon(server.log.write_in_background());
        tg.start_soon(server.cache.sweep());
        if let (Some(encryption), 0) = (encryption, core.index()) {
            tg.start_soon(encryption.reload_on_hangup());
        }
        server.serve(entrance).await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

impl<'a> Server<'a> {
    /// A server of one folder.
    pub(crate) fn new(options: &'a Options, root: &'a Path, addresses: &'a Addresses) -> Self {
        Self {
            options,
            folder: Folder::new(root),
            cache: Cache::default(),
            extra: options.extra_headers(),
            addresses,
            log: AccessLog::new(options.quiet),
        }
    }
}

impl Server<'_> {
    /// Accepts connections and serves them, until the server finishes and all of them have ended or were cancelled.
    pub(crate) async fn serve(&self, listener: Entrance<impl Listener<Stream = TcpStream>>) -> Result<()> {
        // A connection that breaks or dawdles, or for which something of this server's goes wrong, ends alone.
        let server = streams::Server::new().catch_panics(true).on_error(|error: Error| {
            let _ = writeln!(io::stderr(), "a connection failed: {error}");
            Ok(())
        });
        let handler = async |stream: ClientStream| match stream.enter(self.addresses) {
            Entry::Served(_place) => Connection::new(self, stream).serve().await,
            Entry::Refused(_place) => Connection::new(self, stream).turn_away().await,
            Entry::Closed => Ok(()),
        };
        let served: Result<_, ErrorGroup<Error>> = task_group(async |connections| -> Result<Infallible> {
            let ended = server.serve_in(connections, &listener, &handler).await;
            // At once, so that new clients go elsewhere.
            shield(listener.close()).await?;
            ended
        })
        .await;
        match served {
            Err(group) if !group.is_finishing() => Err(group.into()),
            _ => Ok(()),
        }
    }
}
