//! The load over TLS: a closed loop of connections that stay, one of connections that come and go, and a connection for
//! much in one direction.
//!
//! The time of this side does not count, so it is written plainly: rustls on sockets that do not block, and a poller.

mod handshakes;
mod kept;
mod session;

use std::{
    net::{SocketAddr, TcpStream},
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

pub(crate) use handshakes::Handshakes;
pub(crate) use kept::Kept;

/// A connection whose calls block.
pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Connects; the handshake is done as bytes are written.
pub(crate) fn connect(server: SocketAddr, config: &Arc<ClientConfig>) -> anyhow::Result<Stream> {
    let socket = super::connect(server)?;
    Ok(StreamOwned::new(client(config, "localhost")?, socket))
}

/// This side of a connection, before its handshake.
pub(crate) fn client(config: &Arc<ClientConfig>, name: &str) -> anyhow::Result<ClientConnection> {
    let mut client = ClientConnection::new(config.clone(), ServerName::try_from(name.to_owned())?)?;
    client.set_buffer_limit(None);
    Ok(client)
}
