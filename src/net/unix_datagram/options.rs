//! How a UNIX datagram socket is to be made.

use super::{ConnectedUnixDatagram, UnixDatagram};
use crate::{
    error::{Error, Result},
    runtime::Descriptor,
};
use socket2::{Domain, SockAddr, Socket, Type};
use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
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
    mode: Option<u32>,
    local_path: Option<PathBuf>,
    receive_buffer: Option<usize>,
    send_buffer: Option<usize>,
}

impl UnixDatagramOptions {
    /// What the system does by default, and the permissions that the process's mask gives.
    pub fn new() -> Self {
        Self::default()
    }

    /// The permissions of the socket's file, such as `0o600`.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
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
        self.receive_buffer = Some(bytes);
        self
    }

    /// How many bytes may be on their way before sending waits; no datagram can be longer. The system has a limit of its
    /// own.
    #[must_use]
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.send_buffer = Some(bytes);
        self
    }

    /// Makes a socket of this path. A socket of that path, which nobody may use any more, is removed first; any other kind
    /// of file is not. The file stays when the socket is closed. On Linux a path that begins with a zero byte is an
    /// abstract name, for which there is no file, and an empty path has the system choose such a name.
    ///
    /// # Errors
    /// What the system says.
    pub async fn bind(&self, path: impl AsRef<Path>) -> Result<UnixDatagram> {
        let path = path.as_ref().to_path_buf();
        let (options, shown) = (self.clone(), path.clone());
        let socket = crate::to_thread::run_sync(move || options.socket(Some(&path))).await?;
        let socket = socket.map_err(|error| Error::of_operation(error, "bind", shown.display()))?;
        Ok(UnixDatagram::from_descriptor(Descriptor::adopt(socket.into())))
    }

    /// Makes a socket without a name, which can send and not be answered.
    ///
    /// # Errors
    /// What the system says.
    pub fn unbound(&self) -> Result<UnixDatagram> {
        let socket = self.socket(None).map_err(|error| Error::of_operation(error, "make", "a socket"))?;
        Ok(UnixDatagram::from_descriptor(Descriptor::adopt(socket.into())))
    }

    /// Makes a socket for one peer, whose path this is.
    ///
    /// # Errors
    /// What the system says, for example that there is no such file, or that nobody has it open.
    pub async fn connect(&self, path: impl AsRef<Path>) -> Result<ConnectedUnixDatagram> {
        let path = path.as_ref().to_path_buf();
        let (options, shown) = (self.clone(), path.clone());
        let socket = crate::to_thread::run_sync(move || {
            let socket = options.socket(options.local_path.as_deref())?;
            socket.connect(&SockAddr::unix(&path)?)?;
            Ok(socket)
        });
        let socket = socket
            .await?
            .map_err(|error: io::Error| Error::of_operation(error, "connect", shown.display()))?;
        Ok(ConnectedUnixDatagram::from_descriptor(Descriptor::adopt(socket.into())))
    }

    fn socket(&self, path: Option<&Path>) -> io::Result<Socket> {
        let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(bytes) = self.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        let Some(path) = path else { return Ok(socket) };
        let has_file = path.as_os_str().as_encoded_bytes().first().is_some_and(|&byte| byte != 0);
        if has_file && fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket()) {
            fs::remove_file(path)?;
        }
        socket.bind(&SockAddr::unix(path)?)?;
        if let Some(mode) = self.mode.filter(|_| has_file) {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        Ok(socket)
    }
}
