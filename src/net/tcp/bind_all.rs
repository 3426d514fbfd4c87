//! Listening on all addresses of a name.

use super::{Accepting, Candidates, TcpListener, TcpListenerOptions, ToSocketAddrs, all_of};
use crate::{
    error::{Error, Result},
    lowlevel::checkpoint_if_cancelled,
    runtime::Descriptor,
    streams::MultiListener,
};
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

impl TcpListenerOptions {
    /// Makes a listener on each address of the name, all on the same port, as one. If that is chosen by the system (0)
    /// and taken on another address, it chooses again, as often as there are addresses.
    ///
    /// # Errors
    /// What the system says of the address that cannot be had; after several attempts all that it has said, as
    /// [`Error::Group`]. Or what the resolver says of the name.
    pub async fn bind_all(&self, address: impl ToSocketAddrs) -> Result<MultiListener<TcpListener>> {
        let Candidates::Addresses(mut addresses) = address.candidates().resolved().await? else {
            unreachable!("what was resolved is addresses")
        };
        checkpoint_if_cancelled().await?;
        let mut failures = Vec::new();
        while failures.len() < addresses.len() {
            match self.bind_to_all(&addresses) {
                Ok(listeners) => return Ok(listeners),
                Err((address, error)) => {
                    let is_taken = error.kind() == io::ErrorKind::AddrInUse && address.port() == 0;
                    failures.push(Error::of_operation(error, "listen on", address));
                    if !is_taken {
                        break;
                    }
                    // The address where the port was taken chooses the next.
                    let taken = addresses.iter().position(|&candidate| candidate == address).unwrap_or(0);
                    addresses.rotate_left(taken);
                }
            }
        }
        Err(all_of(failures))
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
    fn bind_to_all(
        &self,
        addresses: &[SocketAddr],
    ) -> Result<MultiListener<TcpListener>, (SocketAddr, io::Error)> {
        let mut listeners = Vec::new();
        let mut chosen = None;
        for &address in addresses {
            let wanted = match chosen {
                Some(port) if address.port() == 0 => SocketAddr::new(address.ip(), port),
                _ => address,
            };
            let socket = self.bind_to(wanted).map_err(|error| (address, error))?;
            let local = socket.local_addr().map_err(|error| (address, error))?;
            chosen = chosen.or(local.as_socket().map(|local| local.port()));
            listeners.push(socket);
        }
        let adopt = |socket: socket2::Socket| TcpListener {
            accepting: Accepting::new(Descriptor::new(socket.into())),
        };
        Ok(listeners.into_iter().map(adopt).collect())
    }
}

fn is_missing_family(error: &Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL))
}
