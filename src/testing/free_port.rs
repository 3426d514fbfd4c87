//! Ports that nobody uses.

use socket2::{Domain, Socket, Type};
use std::{
    collections::HashSet,
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::{LazyLock, Mutex, PoisonError},
};

/// The ports that were given to tests of this process, by kind of socket.
static GIVEN: LazyLock<Mutex<HashSet<(i32, u16)>>> = LazyLock::new(Mutex::default);

/// A TCP port that is free on all addresses of this host, IPv4 and IPv6, and that no other test of this process was given. Where
/// the program under test can listen on port 0 and say what it got, that is better: another process may be faster.
///
/// ```
/// let port = anyio::testing::free_tcp_port()?;
/// assert_ne!(port, anyio::testing::free_tcp_port()?);
/// # std::io::Result::Ok(())
/// ```
///
/// # Errors
/// If the system gives no socket, or no port is free.
pub fn free_tcp_port() -> io::Result<u16> {
    free_port(Type::STREAM)
}

/// A UDP port that is free, as [`free_tcp_port`].
///
/// # Errors
/// As for [`free_tcp_port`].
pub fn free_udp_port() -> io::Result<u16> {
    free_port(Type::DGRAM)
}

fn free_port(kind: Type) -> io::Result<u16> {
    // The system gives ports at random, so that this ends soon unless nearly all are taken.
    for _ in 0..10_000 {
        let (first, port) = match bind(kind, SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0))) {
            // A host without IPv6.
            Err(error) if error.raw_os_error() == Some(libc::EAFNOSUPPORT) => {
                bind(kind, SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)))?
            }
            bound => bound?,
        };
        let is_free = match bind(kind, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))) {
            Ok(_) => true,
            // The first has it for IPv4 as well.
            Err(_) => first.local_addr()?.is_ipv4(),
        };
        if is_free && GIVEN.lock().unwrap_or_else(PoisonError::into_inner).insert((kind.into(), port)) {
            return Ok(port);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no port is free"))
}

fn bind(kind: Type, address: SocketAddr) -> io::Result<(Socket, u16)> {
    let socket = Socket::new(Domain::for_address(address), kind, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&address.into())?;
    let port = socket.local_addr()?.as_socket().map_or(0, |local| local.port());
    Ok((socket, port))
}
