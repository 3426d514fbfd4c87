//! What sockets know as streams and listeners, also through wrappers.
//!
//! ```
//! use anyio::{
//!     Result,
//!     net::{TcpListener, attribute::{LocalAddress, RemotePort}},
//!     streams::{Attributes, TextStream},
//! };
//!
//! # anyio::run(async || -> Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:0").await?;
//! let address = listener.extra::<LocalAddress>().unwrap();
//! let client = TextStream::new(anyio::net::TcpStream::connect(address).await?);
//! assert_eq!(client.extra::<RemotePort>(), Some(address.port()));
//! # Ok(()) }).unwrap();
//! ```

pub use crate::streams::RawDescriptor;

use super::PeerCredentials;
use crate::{runtime::calls, streams::Attribute};
use socket2::Domain;
use std::{net::SocketAddr, os::fd::AsFd, path::PathBuf};

macro_rules! attributes {
    ($($(#[$doc:meta])* $name:ident: $value:ty,)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub enum $name {}

        impl Attribute for $name {
            type Value = $value;
        }
    )*};
}

attributes! {
    /// The kind of address.
    Family: Domain,
    /// The address of this side of a TCP connection, or on which a listener listens.
    LocalAddress: SocketAddr,
    /// The port of [`LocalAddress`].
    LocalPort: u16,
    /// The address of the other side of a TCP connection. Unknown once the connection is lost.
    RemoteAddress: SocketAddr,
    /// The port of [`RemoteAddress`].
    RemotePort: u16,
    /// The path of this side's UNIX socket. Unknown if it has none.
    LocalPath: PathBuf,
    /// The path of the other side's UNIX socket. Unknown if it has none.
    RemotePath: PathBuf,
    /// How many bytes the other side of a TCP connection has acknowledged since that began. Known on Linux.
    Acknowledged: u64,
    /// Who is at the other side of a UNIX connection.
    Peer: PeerCredentials,
}

pub(super) fn family_of(socket: &impl AsFd) -> Option<Domain> {
    calls::local_address(socket).ok().map(|address| address.domain())
}
