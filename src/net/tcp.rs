//! TCP.

#[cfg(any(target_os = "linux", target_os = "android"))]
mod acknowledged;
mod bind_all;
mod connect_options;
mod connecting;
#[cfg(feature = "tls-core")]
mod tls;

pub use connect_options::TcpConnectOptions;

use super::{
    accepting::{Accepting, Heir},
    addresses::{Candidates, ToSocketAddrs},
    attribute::{self, RawDescriptor},
    socket::Socket,
    stream_methods::stream,
    take_over::{Role, examine, take_over},
};
use crate::{
    error::{CancelAware, Error, ErrorGroup, Result},
    lowlevel::checkpoint_if_cancelled,
    runtime::{
        Counted, Descriptor,
        calls::{self, Options},
    },
    streams::{
        AttributeRequest, Attributes, ByteReceiveStream, ByteSendStream, ByteStream, FileContent, Listener,
        Server, Split,
    },
};
use anyio_driver::{Chunk, IoBuf, IoBufMut};
use socket2::{Domain, Protocol, SockRef, Type};
use std::{
    convert::Infallible,
    fmt, io,
    net::SocketAddr,
    ops::Range,
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd},
    rc::Rc,
    time::Duration,
};

/// The families of TCP.
const INET: [Domain; 2] = [Domain::IPV4, Domain::IPV6];

/// A TCP connection.
///
/// Small packets are sent at once (`TCP_NODELAY`), unless [`set_nodelay`](Self::set_nodelay) says otherwise. A stream
/// belongs to the run it was made in.
///
/// ```
/// use anyio::net::{TcpListener, TcpStream};
///
/// # anyio::run(async || -> anyio::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let client = TcpStream::connect(listener.local_addr()?).await?;
/// let server = listener.accept().await?;
/// client.send("hello").await?;
/// assert_eq!(server.receive().await?.unwrap(), "hello");
/// # Ok(()) }).unwrap();
/// ```
pub struct TcpStream {
    socket: Socket,
}

stream!(TcpStream, TcpReceiveHalf, TcpSendHalf, "TCP");

impl TcpStream {
    /// Connects to the first address that answers. A name may lead to several; then the families take turns, and each
    /// attempt gets a quarter of a second before the next begins beside it (RFC 8305).
    ///
    /// # Errors
    /// What the system says of the only address, or [`Error::ConnectionFailed`] with one error for each of several; both
    /// name what was to be connected to and the addresses that were tried. What the resolver says of a name.
    /// [`Error::Cancelled`] if the scope is cancelled.
    ///
    /// # Cancel safety
    /// Attempts are cancelled, and what connects late is closed.
    pub async fn connect(address: impl ToSocketAddrs) -> Result<Self> {
        TcpConnectOptions::new().connect(address).await
    }

    fn from_descriptor(descriptor: Descriptor) -> Self {
        Self::from_socket(Socket::new(descriptor))
    }

    /// A connection that a listener has accepted, counted as one of a core's.
    pub(crate) fn counted(descriptor: OwnedFd, counted: Counted) -> Self {
        Self::from_socket(Socket::counted(Descriptor::adopt(descriptor), counted))
    }

    fn from_socket(socket: Socket) -> Self {
        // It fails only for a connection that is gone already; the first use of it will tell.
        let _ = Options::of(socket.descriptor()).set(|socket| socket.set_tcp_nodelay(true));
        Self { socket }
    }

    fn adopt(descriptor: OwnedFd) -> Result<Self> {
        let descriptor = take_over(descriptor, Type::STREAM, &INET, Role::Connected)?;
        Ok(Self { socket: Socket::new(descriptor) })
    }

    /// The address of the other side. Each call asks the system, which has forgotten it once the connection is lost.
    ///
    /// # Errors
    /// If the connection is gone.
    pub fn peer_addr(&self) -> Result<SocketAddr> {
        inet(calls::peer_address(self.socket.descriptor()), "getpeername")
    }

    /// The address of this side.
    ///
    /// # Errors
    /// If the system has none, which does not happen to a connected socket.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        inet(calls::local_address(self.socket.descriptor()), "getsockname")
    }

    /// Whether small packets are sent at once.
    ///
    /// # Errors
    /// What the system says.
    pub fn nodelay(&self) -> Result<bool> {
        option(self.known_options().get(|socket| socket.tcp_nodelay()), "TCP_NODELAY")
    }

    /// Sends small packets at once, or gathers them (Nagle's algorithm).
    ///
    /// # Errors
    /// What the system says.
    pub fn set_nodelay(&self, on: bool) -> Result<()> {
        option(self.known_options().set(|socket| socket.set_tcp_nodelay(on)), "TCP_NODELAY")
    }

    /// How long closing waits for unsent data, in whole seconds: a part of one counts as one, and no more than 2,147,483,647
    /// are waited for. `Some(Duration::ZERO)` resets the connection instead; `None` leaves it to the system, and closing
    /// waits for nothing.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_linger(&self, linger: Option<Duration>) -> Result<()> {
        let linger = linger.map(whole_seconds);
        option(self.known_options().set(|socket| socket.set_linger(linger)), "SO_LINGER")
    }

    fn known_options(&self) -> Options<'_> {
        Options::of(self.socket.descriptor())
    }

    /// Any other option of the socket.
    pub fn options(&self) -> SockRef<'_> {
        self.socket.options()
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpStream")
            .field("local_addr", &self.local_addr().ok())
            .field("peer_addr", &self.peer_addr().ok())
            .finish()
    }
}

impl Attributes for TcpStream {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide_if_known::<attribute::LocalAddress>(|| self.local_addr().ok());
        request.provide_if_known::<attribute::LocalPort>(|| Some(self.local_addr().ok()?.port()));
        request.provide_if_known::<attribute::RemoteAddress>(|| self.peer_addr().ok());
        request.provide_if_known::<attribute::RemotePort>(|| Some(self.peer_addr().ok()?.port()));
        #[cfg(any(target_os = "linux", target_os = "android"))]
        request.provide_if_known::<attribute::Acknowledged>(|| acknowledged::by(self.as_fd()).ok());
        request.provide_if_known::<attribute::Family>(|| attribute::family_of(self));
        request.provide::<RawDescriptor>(|| self.as_fd().as_raw_fd());
    }
}

/// How a TCP listener is to be made.
///
/// ```
/// use anyio::net::TcpListenerOptions;
///
/// # anyio::run(async || -> anyio::Result<()> {
/// let listener = TcpListenerOptions::new().backlog(128).reuse_port(true).bind("127.0.0.1:0").await?;
/// assert_ne!(listener.local_addr()?.port(), 0);
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct TcpListenerOptions {
    backlog: i32,
    reuse_address: bool,
    reuse_port: bool,
    only_v6: bool,
}

impl TcpListenerOptions {
    /// A backlog of 65,536 (the system has a limit of its own), an address that can be used again at once after the
    /// program's end, and a port for this listener alone.
    pub fn new() -> Self {
        Self { backlog: 65_536, reuse_address: true, reuse_port: false, only_v6: true }
    }

    /// How many connections may wait to be accepted.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = i32::try_from(connections).unwrap_or(i32::MAX);
        self
    }

    /// Whether the address can be used although connections to it linger (`SO_REUSEADDR`).
    #[must_use]
    pub fn reuse_address(mut self, on: bool) -> Self {
        self.reuse_address = on;
        self
    }

    /// Whether several listeners may share the port, the kernel dealing connections out (`SO_REUSEPORT`): one for each
    /// core.
    #[must_use]
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.reuse_port = on;
        self
    }

    /// Whether an IPv6 listener takes no IPv4 connections. True by default.
    #[must_use]
    pub fn only_v6(mut self, on: bool) -> Self {
        self.only_v6 = on;
        self
    }

    /// Makes a listener on the first address that can be had.
    ///
    /// # Errors
    /// What the system says of the address, of several all that it says as [`Error::Group`]; or the resolver of the name.
    pub async fn bind(&self, address: impl ToSocketAddrs) -> Result<TcpListener> {
        let addresses = resolved(address).await?;
        checkpoint_if_cancelled().await?;
        let socket = self.bind_first(&addresses)?;
        Ok(TcpListener { accepting: Accepting::new(Descriptor::new(socket)) })
    }

    /// A socket that listens on the first of these addresses that can be had.
    ///
    /// # Errors
    /// As for [`bind`](Self::bind).
    pub(crate) fn bind_first(&self, addresses: &[SocketAddr]) -> Result<OwnedFd> {
        let mut failures = Vec::new();
        for &address in addresses {
            match self.bind_to(address) {
                Ok(socket) => return Ok(socket),
                Err(error) => failures.push(Error::of_operation(error, "listen on", address)),
            }
        }
        Err(all_of(failures))
    }

    fn bind_to(&self, address: SocketAddr) -> io::Result<OwnedFd> {
        let socket = calls::make_socket(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        let options = Options::of(&socket);
        options.set(|socket| socket.set_reuse_address(self.reuse_address))?;
        if self.reuse_port {
            options.set(|socket| socket.set_reuse_port(true))?;
        }
        if address.is_ipv6() {
            options.set(|socket| socket.set_only_v6(self.only_v6))?;
        }
        calls::bind(&socket, &address.into())?;
        calls::listen(&socket, self.backlog)?;
        Ok(socket)
    }
}

/// The addresses that something leads to.
///
/// # Errors
/// What the resolver says of a name.
pub(crate) async fn resolved(address: impl ToSocketAddrs) -> Result<Vec<SocketAddr>> {
    match address.candidates().resolved().await? {
        Candidates::Addresses(addresses) => Ok(addresses),
        _ => unreachable!("what was resolved is addresses"),
    }
}

/// One error for all the addresses that cannot be listened on.
fn all_of(mut failures: Vec<Error>) -> Error {
    match failures.len() {
        0 => Error::Io(io::Error::new(io::ErrorKind::InvalidInput, "there is no address to listen on")),
        1 => failures.remove(0),
        _ => Error::Group(Box::new(ErrorGroup::new(failures).expect("there are several"))),
    }
}

impl Default for TcpListenerOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// A TCP socket that listens. A listener belongs to the run it was made in.
pub struct TcpListener {
    accepting: Accepting,
}

impl TcpListener {
    /// Makes a listener with the default options. Port 0 lets the system choose one.
    ///
    /// # Errors
    /// As for [`TcpListenerOptions::bind`].
    pub async fn bind(address: impl ToSocketAddrs) -> Result<Self> {
        TcpListenerOptions::new().bind(address).await
    }

    /// Takes over a listening socket.
    ///
    /// # Errors
    /// If the descriptor is no TCP socket that listens.
    pub fn from_owned(descriptor: OwnedFd) -> Result<Self> {
        let descriptor = take_over(descriptor, Type::STREAM, &INET, Role::Listening)?;
        Ok(Self { accepting: Accepting::new(descriptor) })
    }

    /// Whether this is a TCP socket that listens, to be asked outside of runs, too.
    ///
    /// # Errors
    /// If it is not.
    pub(crate) fn examine(descriptor: &OwnedFd) -> Result<()> {
        examine(descriptor, Type::STREAM, &INET, Role::Listening)
    }

    /// A listener on a socket that others use as well, in the mode that it has, and with somebody for connections that were
    /// accepted and that nobody here takes any more.
    pub(crate) fn with_heir(descriptor: OwnedFd, heir: Heir) -> Self {
        Self { accepting: Accepting::with_heir(Descriptor::adopt(descriptor), Some(heir)) }
    }

    /// Waits for a connection, and gives its bare descriptor.
    ///
    /// # Errors
    /// As for [`accept`](Self::accept).
    pub(crate) async fn accept_owned(&self) -> Result<OwnedFd> {
        let accepted = self.accepting.accept().await?.into_owned();
        Ok(accepted.unwrap_or_else(|_| unreachable!("nobody shares what was accepted just now")))
    }

    /// Whether an accept is in flight, or has brought a connection that nobody has taken.
    pub(crate) fn is_accepting(&self) -> bool {
        self.accepting.is_under_way()
    }

    /// Ends an accept that nobody waits for any more. Tells whether there was one.
    pub(crate) fn give_up_accepting(&self) -> bool {
        self.accepting.give_up()
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

    /// The address it listens on.
    ///
    /// # Errors
    /// If the system has none, which does not happen to a socket that listens.
    pub fn local_addr(&self) -> Result<SocketAddr> {
        inet(calls::local_address(self.accepting.descriptor()), "getsockname")
    }

    /// Waits for a connection.
    ///
    /// # Errors
    /// What the system says: `ECONNABORTED` for a connection that was gone too soon, `EMFILE` for lack of descriptors;
    /// both leave the listener usable, and [`serve`](Self::serve) goes on after them. [`Error::BusyResource`] if another
    /// task is accepting, [`Error::Cancelled`] if the scope is cancelled.
    ///
    /// # Cancel safety
    /// No connection is lost, whether the scope is cancelled or the future dropped: the next call gets it.
    pub async fn accept(&self) -> Result<TcpStream> {
        Ok(TcpStream::from_descriptor(self.accepting.accept().await?))
    }

    /// Accepts for ever, and calls the handler for each connection, each in a task of its own. Goes on after connections
    /// that were aborted, and waits when descriptors or memory run out.
    ///
    /// It ends when the scope is cancelled, or when a handler fails: then the others are cancelled. An error that
    /// [concerns one connection](Error::concerns_one_connection) alone, such as a reset, ends that connection and nothing
    /// else, and is logged. [`Server`] says more, and has options: a limit of connections, what to do about other errors
    /// and panics, a group for the connections.
    ///
    /// ```no_run
    /// use anyio::net::{TcpListener, TcpStream};
    ///
    /// # anyio::run(async || -> anyio::Result<()> {
    /// let listener = TcpListener::bind("127.0.0.1:7").await?;
    /// listener
    ///     .serve(async |stream: TcpStream| -> anyio::Result<()> {
    ///         while let Some(chunk) = stream.receive().await? {
    ///             stream.send(chunk).await?;
    ///         }
    ///         Ok(())
    ///     })
    ///     .await?;
    /// # Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// Other errors of the handlers, and an error of the listener that makes it useless.
    ///
    /// # Cancel safety
    /// The handlers are cancelled and awaited. Connections that were not accepted stay in the listener.
    pub async fn serve<E, Via>(
        &self,
        handler: impl AsyncFn(TcpStream) -> Result<(), E>,
    ) -> Result<Option<Infallible>, ErrorGroup<E>>
    where
        E: CancelAware<Via> + From<Error>,
    {
        Server::new().serve(self, handler).await
    }

    /// Closes the listener and waits until that is done.
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

impl Listener for TcpListener {
    type Stream = TcpStream;

    async fn accept(&self) -> Result<TcpStream> {
        self.accept().await
    }

    async fn close(self) -> Result<()> {
        self.accepting.close().await
    }
}

impl Attributes for TcpListener {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        request.provide_if_known::<attribute::LocalAddress>(|| self.local_addr().ok());
        request.provide_if_known::<attribute::LocalPort>(|| Some(self.local_addr().ok()?.port()));
        request.provide_if_known::<attribute::Family>(|| attribute::family_of(self));
        request.provide::<RawDescriptor>(|| self.as_fd().as_raw_fd());
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.accepting.descriptor().as_fd()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpListener").field("local_addr", &self.local_addr().ok()).finish()
    }
}

pub(super) fn inet(address: io::Result<socket2::SockAddr>, operation: &'static str) -> Result<SocketAddr> {
    let address = address.map_err(|error| Error::of_stream(error, operation))?;
    address.as_socket().ok_or(Error::Unsupported("an address that is neither IPv4 nor IPv6"))
}

pub(super) fn option<T>(result: io::Result<T>, operation: &'static str) -> Result<T> {
    result.map_err(|error| Error::of_stream(error, operation))
}

/// A time as the system counts it here. Cut off it would become 0 for less than a second, and anything for very much, and
/// 0 throws away what was sent.
fn whole_seconds(time: Duration) -> Duration {
    let seconds = time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0));
    Duration::from_secs(seconds.min(i32::MAX as u64))
}
