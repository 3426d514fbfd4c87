//! The server on one core: the tasks there are, and the scopes they are in.
//!
//! ```text
//! task group
//! ├── the access log, written in the background
//! ├── signals (on the first core)
//! └── task group of the connections     gets a deadline when the server stops
//!     ├── scope of accepting            cancelled when the server stops
//!     └── one task for each connection
//!         └── scope of being idle       cancelled when the server stops
//! ```

use crate::{
    access_log::AccessLog,
    connection::Connection,
    encryption::Encryption,
    folder::Folder,
    options::Options,
    output::say,
    shutdown::Shutdown,
    stream::{ClientStream, Entrance},
};
use anyio::{
    CancelScope, Core, Error, Result, current_time,
    net::TcpListener,
    signal::{Signal, receiver},
    streams::{self, Listener as _, tls::TlsListener},
    task_group,
};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io::{self, Write as _},
    path::Path,
};

/// What the connections of one core share.
pub(crate) struct Server<'a> {
    pub(crate) options: &'a Options,
    pub(crate) folder: Folder<'a>,
    pub(crate) log: AccessLog,
    /// The scopes in which connections wait for the next request.
    idle: RefCell<HashMap<usize, CancelScope>>,
    connections: Cell<usize>,
    stopping: Cell<bool>,
}

/// Serves until the server is stopped.
pub(crate) async fn run(
    core: &Core,
    listener: TcpListener,
    encryption: Option<&Encryption>,
    root: &Path,
    options: &Options,
    shutdown: &Shutdown,
) -> Result<()> {
    let server = Server {
        options,
        folder: Folder::new(root),
        log: AccessLog::new(options.quiet),
        idle: RefCell::default(),
        connections: Cell::new(0),
        stopping: Cell::new(false),
    };
    let server = &server;
    let address = listener.local_addr()?;
    let (scheme, entrance) = match encryption {
        Some(encryption) => {
            ("https", Entrance::Encrypted(TlsListener::new(listener, encryption.config.clone())))
        }
        None => ("http", Entrance::Plain(listener)),
    };
    // Open from the beginning on, so that no signal finds nobody listening.
    let signals = if core.index() == 0 { Some(receiver(&[Signal::SIGINT, Signal::SIGTERM])?) } else { None };
    if let Some(signals) = &signals {
        say!("serving {} on {scheme}://{address}", root.display())?;
        say!("{} core(s), stopped by {}", core.count(), names(signals.signals()))?;
    }
    task_group(async |tg| -> Result<()> {
        tg.start_soon(server.log.write_in_background());
        if let Some(signals) = &signals {
            tg.start_soon(shutdown.on_signals(signals));
        }
        if let (Some(encryption), 0) = (encryption, core.index()) {
            tg.start_soon(encryption.reload_on_hangup());
        }
        server.serve(entrance, shutdown).await?;
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

fn names(signals: impl Iterator<Item = Signal>) -> String {
    signals.map(|signal| signal.to_string()).collect::<Vec<_>>().join(" or ")
}

impl Server<'_> {
    /// Accepts connections and serves them, until stopped and all of them have ended or were cancelled.
    async fn serve(&self, listener: Entrance, shutdown: &Shutdown) -> Result<()> {
        // A connection that breaks or dawdles, or for which something of this server's goes wrong, ends alone.
        let server = streams::Server::new().catch_panics(true).on_error(|error: Error| {
            let _ = writeln!(io::stderr(), "a connection failed: {error}");
            Ok(())
        });
        let handler = async |stream: ClientStream| {
            let idle = self.count_connection();
            Connection::new(self, stream, &idle.scope).serve().await
        };
        task_group(async |connections| -> Result<()> {
            shutdown.serving.reaches(connections.scope());
            let accepting = CancelScope::new();
            accepting
                .run(async || {
                    shutdown.accepting.reaches(&accepting);
                    // The connections outlive the scope of accepting, so they are in a group further out.
                    server.serve_in(connections, &listener, &handler).await
                })
                .await?;
            self.stopping.set(true);
            self.idle.borrow().values().for_each(|scope| scope.cancel());
            connections.scope().set_deadline(current_time().checked_add(self.options.grace));
            listener.close().await
        })
        .await?;
        Ok(())
    }

    /// Whether the server has been told to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.get()
    }

    fn count_connection(&self) -> Idle<'_> {
        let number = self.connections.get();
        self.connections.set(number.wrapping_add(1));
        let scope = CancelScope::new();
        self.idle.borrow_mut().insert(number, scope.clone());
        Idle { idle: &self.idle, number, scope }
    }
}

/// The idle scope of one connection, known to the server as long as the connection lasts.
struct Idle<'a> {
    idle: &'a RefCell<HashMap<usize, CancelScope>>,
    number: usize,
    scope: CancelScope,
}

impl Drop for Idle<'_> {
    fn drop(&mut self) {
        self.idle.borrow_mut().remove(&self.number);
    }
}
