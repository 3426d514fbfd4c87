//! Listening on all addresses of a name.

use super::{Accepting, TcpListener, TcpListenerOptions, ToSocketAddrs, all_of, resolved};
use crate::{
    error::{Error, Result},
    lowlevel::checkpoint_if_cancelled,
    runtime::{Descriptor, calls},
    streams::MultiListener,
};
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::OwnedFd,
};

impl TcpListenerOptions {
    /// Makes a listener on each address of the name, all on the same port, as one. If that is chosen by the system (0)
    /// and taken on another address, it chooses again, as often as there are addresses.
    ///
    /// # Errors
    /// What the system says of the address that cannot be had; after several attempts all that it has said, as
    /// [`Error::Group`]. Or what the resolver says of the name.
    pub async fn bind_all(&self, address: impl ToSocketAddrs) -> Result<MultiListener<TcpListener>> {
        let mut addresses = resolved(address).await?;
        checkpoint_if_cancelled().await?;
        let sockets =
            choose_port(&mut addresses, |addresses| self.bind_to_all(addresses)).map_err(|refused| {
                let tell = |(address, error)| Error::of_operation(error, "listen on", address);
                all_of(refused.into_iter().map(tell).collect())
            })?;
        let adopt = |socket: OwnedFd| TcpListener { accepting: Accepting::new(Descriptor::new(socket)) };
        Ok(sockets.into_iter().map(adopt).collect())
    }

    /// Makes a listener on all interfaces of this host, for IPv4 and IPv6: one socket for both where that can be, whatever
    /// [`only_v6`](Self::only_v6) says, and otherwise one for each family that the host has. Port 0 lets the system choose.
    ///
    /// ```
    /// use anyio::{net::{TcpListenerOptions, TcpStream}, streams::Listener};
    ///
    /// # anyio::run(async || -> anyio::Result<()> {
    /// let listener = TcpListenerOptions::new().bind_everywhere(0).await?;
    /// let port = listener.listeners()[0].local_addr()?.port();
    /// let _client = TcpStream::connect(("127.0.0.1", port)).await?;
    /// listener.accept().await?;
    /// # Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// What the system says, as for [`bind_all`](Self::bind_all).
    pub async fn bind_everywhere(&self, port: u16) -> Result<MultiListener<TcpListener>> {
        let (v6, v4) = (
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        );
        match self.clone().only_v6(false).bind_all(v6).await {
            // The host has no IPv6.
            Err(error) if is_missing_family(&error) => return self.bind_all(v4).await,
            // The system keeps the families apart.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOPROTOOPT)) => {}
            done => return done,
        }
        self.clone().only_v6(true).bind_all([v6, v4].as_slice()).await
    }

    /// One listener for each address; those without a port get that of the first.
    fn bind_to_all(&self, addresses: &[SocketAddr]) -> Result<Vec<OwnedFd>, Refused> {
        let mut sockets = Vec::new();
        let mut chosen = None;
        for &address in addresses {
            let wanted = match chosen {
                Some(port) if address.port() == 0 => SocketAddr::new(address.ip(), port),
                _ => address,
            };
            let socket = self.bind_to(wanted).map_err(|error| (address, error))?;
            let local = calls::local_address(&socket).map_err(|error| (address, error))?;
            chosen = chosen.or(local.as_socket().map(|local| local.port()));
            sockets.push(socket);
        }
        Ok(sockets)
    }
}

/// The address that cannot be had, and why.
type Refused = (SocketAddr, io::Error);

/// Binds to all addresses, and once more for each of them if the port that the system has chosen is taken on another one: that
/// chooses then. What was made comes in the order of the addresses; if all was in vain, why comes in that of the attempts.
fn choose_port<S>(
    addresses: &mut [SocketAddr],
    mut bind: impl FnMut(&[SocketAddr]) -> Result<Vec<S>, Refused>,
) -> Result<Vec<S>, Vec<Refused>> {
    let (mut turned, mut refusals) = (0, Vec::new());
    while refusals.len() < addresses.len() {
        match bind(addresses) {
            Ok(mut bound) => {
                bound.rotate_right(turned);
                return Ok(bound);
            }
            Err((address, error)) => {
                let is_taken = error.kind() == io::ErrorKind::AddrInUse && address.port() == 0;
                refusals.push((address, error));
                if !is_taken {
                    break;
                }
                let taken = addresses.iter().position(|&candidate| candidate == address).unwrap_or(0);
                addresses.rotate_left(taken);
                turned = (turned + taken) % addresses.len();
            }
        }
    }
    Err(refusals)
}

fn is_missing_family(error: &Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses() -> [SocketAddr; 3] {
        ["127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0"].map(|address| address.parse().unwrap())
    }

    fn taken(address: SocketAddr) -> Refused {
        (address, io::ErrorKind::AddrInUse.into())
    }

    #[test]
    fn where_a_chosen_port_is_taken_the_next_is_chosen_and_the_order_stays() {
        let all = addresses();
        let mut attempts = Vec::new();
        let bound = choose_port(&mut all.clone(), |addresses| {
            attempts.push(addresses[0]);
            match attempts.len() {
                1 => Err(taken(all[1])),
                2 => Err(taken(all[0])),
                _ => Ok(addresses.to_vec()),
            }
        });
        assert_eq!(bound.unwrap(), all);
        assert_eq!(attempts, [all[0], all[1], all[0]]);
    }

    #[test]
    fn a_port_is_chosen_as_often_as_there_are_addresses() {
        let mut attempts = 0;
        let refused = choose_port(&mut addresses(), |addresses| {
            attempts += 1;
            Err::<Vec<()>, _>(taken(addresses[1]))
        });
        let kinds: Vec<_> = refused.unwrap_err().iter().map(|(_, error)| error.kind()).collect();
        assert_eq!((kinds, attempts), (vec![io::ErrorKind::AddrInUse; 3], 3));
    }

    #[test]
    fn only_a_chosen_port_that_is_taken_is_a_reason_to_try_again() {
        let fixed: SocketAddr = "127.0.0.1:80".parse().unwrap();
        for (address, kind) in
            [(fixed, io::ErrorKind::AddrInUse), (addresses()[1], io::ErrorKind::PermissionDenied)]
        {
            let mut attempts = 0;
            let refused = choose_port(&mut addresses(), |_| {
                attempts += 1;
                Err::<Vec<()>, _>((address, kind.into()))
            });
            let kinds: Vec<_> = refused.unwrap_err().iter().map(|(_, error)| error.kind()).collect();
            assert_eq!((kinds, attempts), (vec![kind], 1));
        }
    }
}
