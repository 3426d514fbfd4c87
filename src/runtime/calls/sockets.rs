//! Sockets: making them, and their addresses.

use super::make;
use anyio_driver::{Call, CallKind};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use std::{
    io,
    net::Shutdown,
    os::fd::{AsFd, AsRawFd, OwnedFd},
};

/// A socket that nobody inherits.
///
/// # Errors
/// What the system says.
pub(crate) fn make_socket(domain: Domain, kind: Type, protocol: Option<Protocol>) -> io::Result<OwnedFd> {
    make(Call::new(CallKind::MakeSocket), || Socket::new(domain, kind, protocol).map(OwnedFd::from))
}

/// Two UNIX sockets that are connected with each other.
///
/// # Errors
/// If there are no descriptors left.
pub(crate) fn pair(kind: Type) -> io::Result<(OwnedFd, OwnedFd)> {
    make(Call::new(CallKind::MakePair), || {
        let (one, other) = Socket::pair(Domain::UNIX, kind, None)?;
        Ok((one.into(), other.into()))
    })
}

/// Makes a call on a socket.
fn on<T>(
    kind: CallKind,
    socket: &impl AsFd,
    call: impl FnOnce(SockRef<'_>) -> io::Result<T>,
) -> io::Result<T> {
    let socket = socket.as_fd();
    make(Call::on(kind, socket.as_raw_fd()), || call(SockRef::from(&socket)))
}

/// Gives a socket its address.
///
/// # Errors
/// What the system says.
pub(crate) fn bind(socket: &impl AsFd, address: &SockAddr) -> io::Result<()> {
    on(CallKind::Bind, socket, |socket| socket.bind(address))
}

/// Has a socket listen, with so many connections waiting.
///
/// # Errors
/// What the system says.
pub(crate) fn listen(socket: &impl AsFd, backlog: i32) -> io::Result<()> {
    on(CallKind::Listen, socket, |socket| socket.listen(backlog))
}

/// Gives a socket its peer, where that does not wait: for datagrams, or in a mode that says so.
///
/// # Errors
/// What the system says.
pub(crate) fn connect(socket: &impl AsFd, address: &SockAddr) -> io::Result<()> {
    on(CallKind::ConnectNow, socket, |socket| socket.connect(address))
}

/// Ends one direction, or both.
///
/// # Errors
/// What the system says.
pub(crate) fn shut_down(socket: &impl AsFd, how: Shutdown) -> io::Result<()> {
    on(CallKind::ShutDownNow, socket, |socket| socket.shutdown(how))
}

/// The address of this side.
///
/// # Errors
/// What the system says.
pub(crate) fn local_address(socket: &impl AsFd) -> io::Result<SockAddr> {
    on(CallKind::LocalAddress, socket, |socket| socket.local_addr())
}

/// The address of the other side.
///
/// # Errors
/// What the system says.
pub(crate) fn peer_address(socket: &impl AsFd) -> io::Result<SockAddr> {
    on(CallKind::PeerAddress, socket, |socket| socket.peer_addr())
}

/// Has calls on a socket wait, or not.
///
/// # Errors
/// What the system says.
pub(crate) fn set_blocking(socket: &impl AsFd, on_or_off: bool) -> io::Result<()> {
    on(CallKind::SetMode, socket, |socket| socket.set_nonblocking(!on_or_off))
}
