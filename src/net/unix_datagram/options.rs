//! How a UNIX datagram socket is to be made.

use super::{
    super::{unix_address::of_path, unix_binding::Binding},
    ConnectedUnixDatagram, UnixDatagram,
};
use crate::{
    error::{Error, Result},
    net::datagrams::BufferSizes,
    runtime::{Descriptor, calls},
};
use anyio_driver::CallKind;
use socket2::{Domain, Type};
use std::{
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

/// How a UNIX datagram socket is to be made.
///
/// ```no_run
/// use anyio::net::UnixDatagramOptions;
///
/// # anyio::run(async || -> anyio::Result<()> {
/// let socket = UnixDatagramOptions::new().mode(0o600).bind("/run/service.socket").await?;
/// # let _ = socket;
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Default)]
pub struct UnixDatagramOptions {
    binding: Binding,
    local_path: Option<PathBuf>,
    buffers: BufferSizes,
}

impl UnixDatagramOptions {
    /// What the system does by default, and the permissions that the process's mask gives.
    pub fn new() -> Self {
        Self::default()
    }

    /// The permissions of the socket's file, such as `0o600`.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.binding.mode = Some(mode);
        self
    }

    /// The path of this side of a socket that [`connect`](Self::connect) makes. Without one the other side cannot answer.
    #[must_use]
    pub fn local_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.local_path = Some(path.into());
        self
    }

    /// How many bytes of datagrams the system keeps that were not received yet. The system has a limit of its own.
    #[must_use]
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.buffers.receive = Some(bytes);
        self
    }

    /// How many bytes may be on their way before sending waits; no datagram can be longer. The system has a limit of its
    /// own.
    #[must_use]
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.buffers.send = Some(bytes);
        self
    }

    /// Whether a socket that somebody has open keeps its path, which is an error then. By default it loses it.
    #[must_use]
    pub fn refuse_living(mut self, on: bool) -> Self {
        self.binding.refuse_living = on;
        self
    }

    /// Makes a socket of this path. A socket that has it is replaced, if nothing fails; any other kind of file is not. The file stays when the socket is closed. On Linux a path that begins with a zero byte is an
    /// abstract name, for which there is no file, and an empty path has the system choose such a name.
    ///
    /// # Errors
    /// What the system says.
    pub async fn bind(&self, path: impl AsRef<Path>) -> Result<UnixDatagram> {
        let path = path.as_ref().to_path_buf();
        let (options, shown) = (self.clone(), path.clone());
        let failed = |error| Error::of_operation(error, "bind", shown.display());
        calls::before_thread(CallKind::Bind).map_err(failed)?;
        let socket =
            crate::to_thread::run_sync(move || options.socket(Some(&path))).await?.map_err(failed)?;
        Ok(UnixDatagram::from_descriptor(Descriptor::adopt(socket)))
    }

    /// Makes a socket without a name, which can send and not be answered.
    ///
    /// # Errors
    /// What the system says.
    pub fn unbound(&self) -> Result<UnixDatagram> {
        let socket = self.socket(None).map_err(|error| Error::of_operation(error, "make", "a socket"))?;
        Ok(UnixDatagram::from_descriptor(Descriptor::adopt(socket)))
    }

    /// Makes a socket for one peer, whose path this is.
    ///
    /// # Errors
    /// What the system says, for example that there is no such file, or that nobody has it open.
    pub async fn connect(&self, path: impl AsRef<Path>) -> Result<ConnectedUnixDatagram> {
        let path = path.as_ref().to_path_buf();
        let (options, shown) = (self.clone(), path.clone());
        let failed = |error: io::Error| Error::of_operation(error, "connect", shown.display());
        calls::before_thread(CallKind::ConnectNow).map_err(failed)?;
        let socket = crate::to_thread::run_sync(move || {
            let socket = options.socket(options.local_path.as_deref())?;
            calls::connect(&socket, &of_path(&path)?)?;
            Ok(socket)
        });
        let socket = socket.await?.map_err(failed)?;
        Ok(ConnectedUnixDatagram::from_descriptor(Descriptor::adopt(socket)))
    }

    fn socket(&self, path: Option<&Path>) -> io::Result<OwnedFd> {
        let socket = calls::make_socket(Domain::UNIX, Type::DGRAM, None)?;
        self.buffers.apply(&socket)?;
        if let Some(path) = path {
            self.binding.bind(&socket, path, |_| Ok(()))?;
        }
        Ok(socket)
    }
}

impl UnixDatagram {
    /// Makes a socket of this path with the default options.
    ///
    /// # Errors
    /// As for [`UnixDatagramOptions::bind`].
    pub async fn bind(path: impl AsRef<Path>) -> Result<Self> {
        UnixDatagramOptions::new().bind(path).await
    }

    /// Makes a socket without a name, which can send and not be answered.
    ///
    /// # Errors
    /// What the system says.
    pub fn unbound() -> Result<Self> {
        UnixDatagramOptions::new().unbound()
    }
}

impl ConnectedUnixDatagram {
    /// Makes a socket for the peer of this path with the default options. It has no name, so the peer cannot answer.
    ///
    /// # Errors
    /// As for [`UnixDatagramOptions::connect`].
    pub async fn connect(path: impl AsRef<Path>) -> Result<Self> {
        UnixDatagramOptions::new().connect(path).await
    }
}
