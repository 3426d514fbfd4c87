//! Addresses to connect to.

use super::{TcpStream, ToSocketAddrs, UnixStream};
use crate::{error::Result, streams::Connectable};
use std::path::{Path, PathBuf};

/// A TCP address, or a name for some, to [connect](Connectable) to. A name is looked up anew each time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TcpConnectable<A>(A);

impl<A: ToSocketAddrs> TcpConnectable<A> {
    /// To connect to this address, as [`TcpStream::connect`] does.
    pub fn new(address: A) -> Self {
        Self(address)
    }

    /// The address.
    pub fn address(&self) -> &A {
        &self.0
    }
}

impl<A: ToSocketAddrs> Connectable for TcpConnectable<A> {
    type Stream = TcpStream;

    async fn connect(&self) -> Result<TcpStream> {
        TcpStream::connect(&self.0).await
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
