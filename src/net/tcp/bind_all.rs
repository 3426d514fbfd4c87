//! Listening on all addresses of a name.

use super::{Accepting, Candidates, TcpListener, TcpListenerOptions, ToSocketAddrs, nothing_to_listen_on};
use crate::{
    error::{Error, Result},
    lowlevel::checkpoint_if_cancelled,
    runtime::Descriptor,
    streams::MultiListener,
};
use std::{io, net::SocketAddr};

impl TcpListenerOptions {
    /// Makes a listener on each address of the name, all on the same port, as one. If that is chosen by the system (0)
    /// and taken on another address, it chooses again, as often as there are addresses.
    ///
    /// # Errors
    /// What the system says of the address that cannot be had, or the resolver of the name.
    pub async fn bind_all(&self, address: impl ToSocketAddrs) -> Result<MultiListener<TcpListener>> {
        let Candidates::Addresses(mut addresses) = address.candidates().resolved().await? else {
            unreachable!("what was resolved is addresses")
        };
        checkpoint_if_cancelled().await?;
        if addresses.is_empty() {
            return Err(nothing_to_listen_on());
        }
        let mut attempts = addresses.len();
        loop {
            match self.bind_to_all(&addresses) {
                Ok(listeners) => return Ok(listeners),
                Err((address, error)) => {
                    attempts -= 1;
                    let is_taken = error.kind() == io::ErrorKind::AddrInUse && address.port() == 0;
                    if attempts == 0 || !is_taken {
                        return Err(Error::of_operation(error, "listen on", address));
                    }
                    // The address where the port was taken chooses the next.
                    let taken = addresses.iter().position(|&candidate| candidate == address).unwrap_or(0);
                    addresses.rotate_left(taken);
                }
            }
        }
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
