//! UNIX domain sockets.

use super::{
    PeerCredentials,
    accepting::Accepting,
    attribute::{self, RawDescriptor},
    connecting, credentials,
    passing::ReceivedDescriptors,
    socket::Socket,
    stream_methods::stream,
    take_over::{Role, take_over},
    unix_address::{of_path, path_of},
    unix_binding::Binding,
};
use crate::{
    error::{CancelAware, Error, ErrorGroup, Result},
    runtime::{Descriptor, calls},
    streams::{
        AttributeRequest, Attributes, ByteReceiveStream, ByteSendStream, ByteStream, FileContent, Listener,
        Server, Split,
    },
};
use anyio_driver::{CallKind, Chunk, IoBuf, IoBufMut};
use socket2::{Domain, SockRef, Type};
use std::{
    convert::Infallible,
    fmt, io,
    ops::Range,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
    rc::Rc,
};

/// A connection over a UNIX domain socket. A stream belongs to the run it was made in.
pub struct UnixStream {
    socket: Socket,
}

stream!(UnixStream, UnixReceiveHalf, UnixSendHalf, "UNIX");

impl UnixStream {
    /// Connects to the socket of this path. On Linux a path that begins with a zero byte is an abstract name.
    ///
    /// # Errors
    /// What the system says, for example that there is no such file or nobody listens. [`Error::Cancelled`] if the scope
    /// is cancelled.
    ///
    /// # Cancel safety
    /// Nothing is left behind.
    pub async fn connect(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |error| Error::of_operation(error, "connect", path.display());
        let address = of_path(path).map_err(failed)?;
        let socket = connecting::socket(Domain::UNIX).map_err(failed)?;
        match connecting::connect(socket, address).await {
            Ok(descriptor) => Ok(Self { socket: Socket::new(descriptor) }),
            Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => Err(error.into()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Two sockets that are connected to each other.
    ///
    /// # Errors
    /// What the system says.
    pub fn pair() -> Result<(Self, Self)> {
        let (one, other) = calls::pair(Type::STREAM)
            .map_err(|error| Error::of_operation(error, "make", "a pair of sockets"))?;
        Ok((Self::adopt(one)?, Self::adopt(other)?))
    }

    fn adopt(descriptor: OwnedFd) -> Result<Self> {
        Ok(Self {
            socket: Socket::new(take_over(descriptor, Type::STREAM, &[Domain::UNIX], Role::Connected)?),
        })
    }

    /// The path of the other side's socket, if it has one. That of an abstract name begins with a zero byte.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn peer_path(&self) -> Result<Option<PathBuf>> {
        path_of(calls::peer_address(self.socket.descriptor()), "getpeername")
    }

    /// The path of this side's socket, if it has one. That of an abstract name begins with a zero byte.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_path(&self) -> Result<Option<PathBuf>> {
        path_of(calls::local_address(self.socket.descriptor()), "getsockname")
    }

    /// Sends bytes, at least one, with descriptors, which the other side gets copies of.
    ///
    /// # Errors
    /// As for [`send`](Self::send), and if there are no bytes, no descriptors or more than 253, or if too few are left for
    /// copies of them.
    ///
    /// # Cancel safety
    /// When the scope is cancelled half-way, or the future dropped, a part of the bytes may have been sent; the descriptors
    /// go with the first.
    pub async fn send_fds(&self, data: impl IoBuf, descriptors: &[impl AsFd]) -> Result<()> {
        self.socket.send_fds(data, descriptors).await
    }

    /// Receives at least one and at most `max_bytes` bytes (no more than a receive buffer has room for), and at most
    /// `max_descriptors` descriptors that came with them. They are owned at once, and closed on exec. More than that are
    /// closed, and told. `Ok(None)` is the end of the stream.
    ///
    /// Descriptors that come while [`receive`](Self::receive) is called, or after such a call that was cancelled or
    /// dropped, are lost.
    ///
    /// # Errors
    /// As for [`receive`](Self::receive).
    ///
    /// # Cancel safety
    /// When the scope is cancelled the kernel is asked to cancel, and its answer counts: what was received comes out, else
    /// nothing was. When the future is dropped, bytes that arrive at the same moment may be lost; descriptors that come
    /// with them are closed.
    ///
    /// # Panics
    /// If `max_bytes` is 0, or `max_descriptors` is not between 1 and 253.
    pub async fn receive_fds(
        &self,
        max_bytes: usize,
        max_descriptors: usize,
    ) -> Result<Option<(Chunk, ReceivedDescriptors)>> {
        self.socket.receive_fds(max_bytes, max_descriptors).await
    }

    /// Who is at the other side: who had connected, or listened, when the connection was made.
    ///
    /// # Errors
    /// What the system says.
    pub fn peer_credentials(&self) -> Result<PeerCredentials> {
        credentials::of_peer(self.as_fd()).map_err(|error| Error::of_stream(error, "SO_PEERCRED"))
    }

    /// Any option of the socket.
    pub fn options(&self) -> SockRef<'_> {
        self.socket.options()
    }
}

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixStream")
            .field("local_path", &self.local_path().ok().flatten())
            .field("peer_path", &self.peer_path().ok().flatten())
            .finish()
    }
}

impl Attributes for UnixStream {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide_if_known::<attribute::LocalPath>(|| self.local_path().ok().flatten());
        request.provide_if_known::<attribute::RemotePath>(|| self.peer_path().ok().flatten());
        request.provide_if_known::<attribute::Peer>(|| self.peer_credentials().ok());
        request.provide_if_known::<attribute::Family>(|| attribute::family_of(self));
        request.provide::<RawDescriptor>(|| self.as_fd().as_raw_fd());
    }
}

/// How a UNIX listener is to be made.
#[derive(Debug, Clone)]
pub struct UnixListenerOptions {
    backlog: i32,
    binding: Binding,
}

impl UnixListenerOptions {
    /// A backlog of 65,536 (the system has a limit of its own), and the permissions that the process's mask gives.
    pub fn new() -> Self {
        Self { backlog: 65_536, binding: Binding::default() }
    }

    /// How many connections may wait to be accepted.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = i32::try_from(connections).unwrap_or(i32::MAX);
        self
    }

    /// The permissions of the socket's file, such as `0o600`.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.binding.mode = Some(mode);
        self
    }

    /// Whether a socket that somebody has open keeps its path, which is an error (`AddrInUse`) then. That is found out by
    /// connecting to it, so who listens there sees a connection that is closed at once. By default it loses its path.
    #[must_use]
    pub fn refuse_living(mut self, on: bool) -> Self {
        self.binding.refuse_living = on;
        self
    }

    /// Makes a listener. A socket that has that path is replaced, unless something fails: then it keeps its path. Any other
    /// kind of file is not touched. The file stays when the listener is closed. On Linux a path that begins with a zero byte
    /// is an abstract name, for which there is no file.
    ///
    /// # Errors
    /// What the system says. [`Error::Io`] of the kind `InvalidInput` for a path that is empty or too long, or has a zero byte
    /// in it.
    pub async fn bind(&self, path: impl AsRef<Path>) -> Result<UnixListener> {
        let path = path.as_ref().to_path_buf();
        let options = self.clone();
        let shown = path.clone();
        let failed = |error| Error::of_operation(error, "listen on", shown.display());
        calls::before_thread(CallKind::Bind).map_err(failed)?;
        let socket = crate::to_thread::for_files(move || options.bind_to(&path)).await?;
        let socket = socket.map_err(failed)?;
        Ok(UnixListener { accepting: Accepting::new(Descriptor::new(socket)) })
    }

    fn bind_to(&self, path: &Path) -> io::Result<OwnedFd> {
        if path.as_os_str().is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "nobody could connect to an empty path"));
        }
        let socket = connecting::socket(Domain::UNIX)?;
        self.binding.bind(&socket, path, |socket| calls::listen(socket, self.backlog))?;
        Ok(socket)
    }
}

impl Default for UnixListenerOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// A UNIX domain socket that listens. A listener belongs to the run it was made in.
pub struct UnixListener {
    accepting: Accepting,
}

impl UnixListener {
    /// Makes a listener with the default options.
    ///
    /// # Errors
    /// As for [`UnixListenerOptions::bind`].
    pub async fn bind(path: impl AsRef<Path>) -> Result<Self> {
        UnixListenerOptions::new().bind(path).await
    }

    /// Takes over a listening socket.
    ///
    /// # Errors
    /// If the descriptor is no UNIX socket that listens.
    pub fn from_owned(descriptor: OwnedFd) -> Result<Self> {
        Ok(Self {
            accepting: Accepting::new(take_over(descriptor, Type::STREAM, &[Domain::UNIX], Role::Listening)?),
        })
    }

    /// Gives the bare socket away, in blocking mode, once no operation of the kernel uses it any more. Connections that were
    /// not accepted stay in its backlog.
    ///
    /// # Errors
    /// Gives the listener back if a connection has come for an `accept` that was cancelled: accept it first.
    ///
    /// # Cancel safety
    /// If this future is dropped the listener is closed.
    pub async fn into_owned(self) -> std::result::Result<OwnedFd, Self> {
        self.accepting.into_owned().await.map_err(|accepting| Self { accepting })
    }

    /// The path it listens on, if it has one. That of an abstract name begins with a zero byte.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_path(&self) -> Result<Option<PathBuf>> {
        path_of(calls::local_address(self.accepting.descriptor()), "getsockname")
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// What the system says. [`Error::BusyResource`] if another task is accepting, [`Error::Cancelled`] if the scope is
    /// cancelled.
    ///
    /// # Cancel safety
    /// No connection is lost, whether the scope is cancelled or the future dropped: the next call gets it.
    pub async fn accept(&self) -> Result<UnixStream> {
        Ok(UnixStream { socket: Socket::new(self.accepting.accept().await?) })
    }

    /// Accepts for ever, and calls the handler for each connection, each in a task of its own. Works as
    /// [`TcpListener::serve`](super::TcpListener::serve) does.
    ///
    /// # Errors
    /// Errors of the handlers that do not concern their connection alone, and an error of the listener that makes it
    /// useless.
    ///
    /// # Cancel safety
    /// The handlers are cancelled and awaited. Connections that were not accepted stay in the listener.
    pub async fn serve<E, Via>(
        &self,
        handler: impl AsyncFn(UnixStream) -> Result<(), E>,
    ) -> Result<Option<Infallible>, ErrorGroup<E>>
    where
        E: CancelAware<Via> + From<Error>,
    {
        Server::new().serve(self, handler).await
    }

    /// Closes the listener and waits until that is done. Its file stays.
    ///
    /// # Errors
    /// What the operating system reports; the listener is closed all the same.
    ///
    /// # Cancel safety
    /// The listener is closed in any case.
    pub async fn close(self) -> Result<()> {
        self.accepting.close().await
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;

    async fn accept(&self) -> Result<UnixStream> {
        self.accept().await
    }

    async fn close(self) -> Result<()> {
        self.accepting.close().await
    }
}

impl Attributes for UnixListener {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide_if_known::<attribute::LocalPath>(|| self.local_path().ok().flatten());
        request.provide_if_known::<attribute::Family>(|| attribute::family_of(self));
        request.provide::<RawDescriptor>(|| self.as_fd().as_raw_fd());
    }
}

impl AsFd for UnixListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.accepting.descriptor().as_fd()
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnixListener").field("local_path", &self.local_path().ok().flatten()).finish()
    }
}
