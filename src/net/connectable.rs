//! Addresses to connect to.

use super::{TcpConnectOptions, TcpStream, ToSocketAddrs, UnixStream};
use crate::{error::Result, streams::Connectable};
use std::{
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
};

/// A TCP address, or a name for some, to [connect](Connectable) to. A name is looked up anew each time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TcpConnectable<A> {
    address: A,
    options: TcpConnectOptions,
}

impl<A: ToSocketAddrs> TcpConnectable<A> {
    /// To connect to this address, as [`TcpStream::connect`] does.
    pub fn new(address: A) -> Self {
        Self { address, options: TcpConnectOptions::new() }
    }

    /// To connect in this way.
    #[must_use]
    pub fn options(mut self, options: TcpConnectOptions) -> Self {
        self.options = options;
        self
    }

    /// The address.
    pub fn address(&self) -> &A {
        &self.address
    }
}

impl<A: ToSocketAddrs> Connectable for TcpConnectable<A> {
    type Stream = TcpStream;

    async fn connect(&self) -> Result<TcpStream> {
        self.options.connect(&self.address).await
    }
}

/// The path of a UNIX socket to [connect](Connectable) to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnixConnectable(PathBuf);

impl UnixConnectable {
    /// To connect to the socket of this path, as [`UnixStream::connect`] does.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Connectable for UnixConnectable {
    type Stream = UnixStream;

    async fn connect(&self) -> Result<UnixStream> {
        UnixStream::connect(&self.0).await
    }
}

/// What [`as_connectable`] takes: something to connect to, or a short form of it.
///
/// | short form | connects to |
/// | --- | --- |
/// | a host (text) and a port, `SocketAddr` | TCP |
/// | a path (that of anyio or of the standard library), text | a UNIX socket of this path |
/// | anything that is [`Connectable`] | the same |
pub trait AsConnectable {
    /// What it stands for.
    type Connectable: Connectable;

    /// What it stands for.
    fn into_connectable(self) -> Self::Connectable;
}

impl<C: Connectable> AsConnectable for C {
    type Connectable = C;

    fn into_connectable(self) -> C {
        self
    }
}

/// Short forms of addresses.
macro_rules! short_forms {
    ($($type:ty => $connectable:ty, $make:expr;)*) => {$(
        impl AsConnectable for $type {
            type Connectable = $connectable;

            fn into_connectable(self) -> $connectable {
                $make(self)
            }
        }
    )*};
}

short_forms! {
    SocketAddr => TcpConnectable<SocketAddr>, TcpConnectable::new;
    (String, u16) => TcpConnectable<(String, u16)>, TcpConnectable::new;
    (&str, u16) => TcpConnectable<(String, u16)>, |(host, port): (&str, u16)| TcpConnectable::new((host.to_owned(), port));
    (IpAddr, u16) => TcpConnectable<SocketAddr>, |address| TcpConnectable::new(SocketAddr::from(address));
    crate::Path => UnixConnectable, |path: crate::Path| UnixConnectable::new(path.as_ref() as &Path);
    &Path => UnixConnectable, UnixConnectable::new;
    PathBuf => UnixConnectable, UnixConnectable::new;
    &str => UnixConnectable, UnixConnectable::new;
    String => UnixConnectable, UnixConnectable::new;
}

/// Something to connect to, out of that or a short form.
///
/// ```
/// use anyio::{Result, net::{TcpListener, as_connectable}, streams::Connectable};
///
/// # anyio::run(async || -> Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let remote = as_connectable(("127.0.0.1", listener.local_addr()?.port()));
/// let stream = remote.connect().await?;
/// assert_eq!(stream.peer_addr()?, listener.local_addr()?);
/// # Ok(()) }).unwrap();
/// ```
pub fn as_connectable<A: AsConnectable>(remote: A) -> A::Connectable {
    remote.into_connectable()
}
