//! Connections of [`tokio_postgres`] on streams of anyio. They need neither a thread of tokio's nor a [guest](crate::run).
//!
//! ```no_run
//! use anyio::{Result, move_on_after, task_group};
//! use anyio_tokio::postgres;
//! use std::{io, time::Duration};
//! use tokio_postgres::NoTls;
//!
//! anyio::run(async || -> Result<()> {
//!     let config: tokio_postgres::Config = "host=localhost user=postgres".parse().map_err(io::Error::other)?;
//!     task_group(async |group| -> Result<()> {
//!         let client = postgres::connect(group, &config, NoTls).await?;
//!         // The server is told when the second is over, and the connection is free again.
//!         let slow = move_on_after(Duration::from_secs(1), client.cancellable(client.query_one("select pg_sleep(60)", &[])));
//!         assert!(slow.await?.is_none());
//!         let row = client.cancellable(client.query_one("select 1", &[])).await?.map_err(io::Error::other)?;
//!         assert_eq!(row.get::<_, i32>(0), 1);
//!         Ok(())
//!     })
//!     .await?;
//!     Ok(())
//! })?;
//! # anyio::Ok(())
//! ```

pub use crate::connection::Stream;

use crate::connection::{GRACE, connect_tcp, connect_unix, drive};
use anyio::{CancelAware, Error, Result, TaskGroup, fail_after, foreign, move_on_after, shield};
use std::{fmt, future::Future, io, ops::Deref, pin::pin};
use tokio_postgres::{Config, config::Host, error::SqlState, tls::MakeTlsConnect};

/// The port of a server that names none.
const PORT: u16 = 5432;

/// A client whose connection is a child of a task group. It is a [`tokio_postgres::Client`].
pub struct Client<T> {
    client: tokio_postgres::Client,
    config: Config,
    /// Which of the hosts it is connected to.
    host: usize,
    tls: T,
}

/// Connects to a server: to the first of the configuration's hosts that can be reached. The connection is a child of the group
/// and ends with the client; if the group is cancelled earlier, five seconds later at the latest.
///
/// Of the configuration's choices for connecting, hosts with their addresses and ports and the time limit count.
///
/// # Errors
/// What keeps the last of the hosts from being reached. [`Error::Io`] with a [`tokio_postgres::Error`] in it if the
/// server refuses. [`Error::Cancelled`] if the scope is cancelled.
///
/// # Cancel safety
/// What was connected is closed.
pub async fn connect<'scope, T, E, Via>(
    group: &'scope TaskGroup<'scope, '_, E>,
    config: &Config,
    tls: T,
) -> Result<Client<T>>
where
    T: MakeTlsConnect<Stream, Stream: 'static> + Clone,
    E: CancelAware<Via>,
{
    let count = config.get_hosts().len().max(config.get_hostaddrs().len());
    let mut last = Error::Io(io::Error::new(io::ErrorKind::InvalidInput, "the configuration names no host"));
    for host in 0..count {
        let attempt = async {
            let stream = connect_to(config, host).await?;
            let tls = connector(config, host, &tls)?;
            foreign(config.connect_raw(stream, tls))
                .await?
                .map_err(|error| Error::Io(io::Error::other(error)))
        };
        match fail_after(config.get_connect_timeout().copied(), attempt).await {
            Ok((client, connection)) => {
                group.start_soon(drive(async {
                    // Whatever it fails with, those who wait for an answer hear of it.
                    if let Err(error) = connection.await {
                        log::debug!("a connection to PostgreSQL has failed: {error}");
                    }
                }));
                return Ok(Client { client, config: config.clone(), host, tls });
            }
            Err(error) if error.is_cancelled() => return Err(error),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn connect_to(config: &Config, host: usize) -> Result<Stream> {
    let port = match config.get_ports() {
        [] => PORT,
        [port] => *port,
        ports => ports.get(host).copied().unwrap_or(PORT),
    };
    if let Some(address) = config.get_hostaddrs().get(host) {
        return connect_tcp(&address.to_string(), port).await;
    }
    match &config.get_hosts()[host] {
        Host::Tcp(name) => connect_tcp(name, port).await,
        Host::Unix(folder) => connect_unix(&folder.join(format!(".s.PGSQL.{port}"))).await,
    }
}

fn connector<T: MakeTlsConnect<Stream> + Clone>(
    config: &Config,
    host: usize,
    tls: &T,
) -> Result<T::TlsConnect> {
    let name = match config.get_hosts().get(host) {
        Some(Host::Tcp(name)) => name,
        _ => "",
    };
    tls.clone().make_tls_connect(name).map_err(|error| Error::Io(io::Error::other(error)))
}

impl<T> Client<T>
where
    T: MakeTlsConnect<Stream> + Clone,
{
    /// Waits for a query of this client, and has the server cancel it if the scope is cancelled. tokio-postgres itself would
    /// leave it to the server, and keep the connection busy until it is done.
    ///
    /// # Errors
    /// [`Error::Cancelled`] if the scope is cancelled, after the server has ended the query, or after five seconds.
    /// Within the result, what the query ends with.
    ///
    /// # Cancel safety
    /// What the query gave in spite of its cancellation comes out. If this future is dropped without having been
    /// cancelled, the server goes on with the query.
    pub async fn cancellable<R>(
        &self,
        query: impl Future<Output = Result<R, tokio_postgres::Error>>,
    ) -> Result<Result<R, tokio_postgres::Error>> {
        let mut query = pin!(query);
        match foreign(query.as_mut()).await {
            Ok(ended) => Ok(ended),
            Err(cancelled) => {
                shield(async {
                    let ended = move_on_after(GRACE, async {
                        if let Err(error) = self.cancel().await {
                            log::debug!("a query could not be cancelled: {error}");
                        }
                        anyio::Ok(query.await)
                    });
                    match ended.await? {
                        Some(Err(error)) if error.code() == Some(&SqlState::QUERY_CANCELED) => {
                            Err(cancelled.into())
                        }
                        Some(ended) => Ok(ended),
                        None => Err(cancelled.into()),
                    }
                })
                .await
            }
        }
    }

    /// Asks the server, over a connection of its own, to cancel what this client has it do.
    async fn cancel(&self) -> Result<()> {
        let stream = connect_to(&self.config, self.host).await?;
        let tls = connector(&self.config, self.host, &self.tls)?;
        let token = self.client.cancel_token();
        foreign(token.cancel_query_raw(stream, tls))
            .await?
            .map_err(|error| Error::Io(io::Error::other(error)))
    }
}

impl<T> Deref for Client<T> {
    type Target = tokio_postgres::Client;

    fn deref(&self) -> &tokio_postgres::Client {
        &self.client
    }
}

impl<T> fmt::Debug for Client<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("host", &self.config.get_hosts().get(self.host))
            .finish_non_exhaustive()
    }
}
