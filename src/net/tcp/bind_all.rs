//! Listening on all addresses of a name.

use super::{Accepting, Candidates, TcpListener, TcpListenerOptions, ToSocketAddrs, nothing_to_listen_on};
use crate::{
    error::{Error, Result},
    lowlevel::checkpoint_if_cancelled,
    runtime::Descriptor,
    streams::MultiListener,
};
use socket2::Socket;
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
        let sockets = choose_port(&mut addresses, |addresses| self.bind_to_all(addresses))
            .map_err(|(address, error)| Error::of_operation(error, "listen on", address))?;
        let adopt =
            |socket: Socket| TcpListener { accepting: Accepting::new(Descriptor::new(socket.into())) };
        Ok(sockets.into_iter().map(adopt).collect())
    }

    /// One listener for each address; those without a port get that of the first.
    fn bind_to_all(&self, addresses: &[SocketAddr]) -> Result<Vec<Socket>, Refused> {
        let mut sockets = Vec::new();
        let mut chosen = None;
        for &address in addresses {
            let wanted = match chosen {
                Some(port) if address.port() == 0 => SocketAddr::new(address.ip(), port),
                _ => address,
            };
            let socket = self.bind_to(wanted).map_err(|error| (address, error))?;
            let local = socket.local_addr().map_err(|error| (address, error))?;
            chosen = chosen.or(local.as_socket().map(|local| local.port()));
            sockets.push(socket);
        }
        Ok(sockets)
    }
}

/// The address that cannot be had, and why.
type Refused = (SocketAddr, io::Error);

/// Binds to all addresses, and once more for each of them if the port that the system has chosen is taken on another one: that
/// chooses then. What was made comes in the order of the addresses.
fn choose_port<S>(
    addresses: &mut [SocketAddr],
    mut bind: impl FnMut(&[SocketAddr]) -> Result<Vec<S>, Refused>,
) -> Result<Vec<S>, Refused> {
    let mut turned = 0;
    for _ in 1..addresses.len() {
        match bind(addresses) {
            Err((address, error)) if error.kind() == io::ErrorKind::AddrInUse && address.port() == 0 => {
                let taken = addresses.iter().position(|&candidate| candidate == address).unwrap_or(0);
                addresses.rotate_left(taken);
                turned = (turned + taken) % addresses.len();
            }
            bound => return in_order(bound, turned),
        }
    }
    in_order(bind(addresses), turned)
}

fn in_order<S>(bound: Result<Vec<S>, Refused>, turned: usize) -> Result<Vec<S>, Refused> {
    bound.map(|mut bound| {
        bound.rotate_right(turned);
        bound
    })
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
        assert_eq!(refused.unwrap_err().1.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(attempts, 3);
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
            assert_eq!(refused.unwrap_err().1.kind(), kind);
            assert_eq!(attempts, 1);
        }
    }
}
