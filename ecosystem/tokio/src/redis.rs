//! Connections of [`redis`] on streams of anyio. They need neither a thread of tokio's nor a [guest](crate::run).
//!
//! ```no_run
//! use anyio::{Result, foreign, task_group};
//! use redis::AsyncCommands;
//! use std::io;
//!
//! anyio::run(async || -> Result<()> {
//!     task_group(async |group| -> Result<()> {
//!         let mut connection = anyio_tokio::redis::connect(group, "redis://127.0.0.1/").await?;
//!         let () = foreign(connection.set("answer", 42)).await?.map_err(io::Error::other)?;
//!         let answer: i32 = foreign(connection.get("answer")).await?.map_err(io::Error::other)?;
//!         assert_eq!(answer, 42);
//!         Ok(())
//!     })
//!     .await?;
//!     Ok(())
//! })?;
//! # anyio::Ok(())
//! ```

use crate::connection::{connect_tcp, connect_unix, drive};
use anyio::{CancelAware, Error, OnThread, Result, TaskGroup, foreign};
use redis::{AsyncConnectionConfig, ConnectionAddr, IntoConnectionInfo, aio::MultiplexedConnection};
use std::io;

/// Connects to a server. The connection is a child of the group, and ends when all its handles are dropped; if the group is
/// cancelled earlier, five seconds later at the latest.
///
/// Limits of time are those of scopes; the connection itself has none, as they would need tokio's clock.
///
/// # Errors
/// What keeps the server from being reached. [`Error::Io`] with a [`redis::RedisError`] in it if the address makes no sense
/// or the server refuses. [`Error::Unsupported`] for addresses with TLS. [`Error::Cancelled`] if the scope is cancelled.
///
/// # Cancel safety
/// What was connected is closed.
pub async fn connect<'scope, E, Via>(
    group: &'scope TaskGroup<'scope, '_, E>,
    server: impl IntoConnectionInfo,
) -> Result<MultiplexedConnection>
where
    E: CancelAware<Via>,
{
    let server = server.into_connection_info().map_err(refused)?;
    let stream = match server.addr() {
        ConnectionAddr::Tcp(host, port) => connect_tcp(host, *port).await?,
        ConnectionAddr::Unix(path) => connect_unix(path).await?,
        _ => return Err(Error::Unsupported("TLS to Redis by way of this function")),
    };
    let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    let connecting =
        MultiplexedConnection::new_with_config(server.redis_settings(), OnThread::new(stream), config);
    let (connection, driver) = foreign(connecting).await?.map_err(refused)?;
    group.start_soon(drive(driver));
    Ok(connection)
}

fn refused(error: redis::RedisError) -> Error {
    Error::Io(io::Error::other(error))
}
