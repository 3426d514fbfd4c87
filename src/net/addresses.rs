//! Addresses, and names for them.

use super::{
    literal::{address_of, names_interface},
    resolver::resolve,
};
use crate::error::{Error, Result};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
};

/// Something that leads to one or more socket addresses: an address, an IP address with a port, or a host name with a port,
/// as a tuple or as text. An address of a link may name the interface, by number or name: `[fe80::1%eth0]:80`.
///
/// Names are looked up by the run's [`Resolver`](super::Resolver): the operating system's on a worker thread, if it has no
/// other. Those of interfaces are in any case.
pub trait ToSocketAddrs {
    #[doc(hidden)]
    fn candidates(&self) -> Candidates;
}

/// Addresses, or a name for some.
#[doc(hidden)]
#[derive(Debug, Clone)]
pub enum Candidates {
    Addresses(Vec<SocketAddr>),
    Name(String, u16),
    Invalid(String),
}

/// As it is told in errors.
impl fmt::Display for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addresses(addresses) => {
                for (number, address) in addresses.iter().enumerate() {
                    write!(f, "{}{address}", if number == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::Name(host, port) => write!(f, "{host}:{port}"),
            Self::Invalid(text) => write!(f, "{text:?}"),
        }
    }
}

impl Candidates {
    /// Looks a name up.
    ///
    /// # Errors
    /// What the resolver says, or that the text is no address.
    pub(super) async fn resolved(self) -> Result<Self> {
        match self {
            Self::Addresses(_) => Ok(self),
            Self::Name(host, port) => resolve(&host, port).await.map(Self::Addresses),
            Self::Invalid(text) => {
                let error = std::io::Error::new(std::io::ErrorKind::InvalidInput, "an address is HOST:PORT");
                Err(Error::of_operation(error, "look up", format_args!("{text:?}")))
            }
        }
    }

    /// The addresses, the families taking turns, each in the resolver's order (RFC 8305, section 4).
    pub(super) fn interleaved(self) -> Vec<SocketAddr> {
        let Self::Addresses(addresses) = self else { return Vec::new() };
        let Some(first) = addresses.first().map(SocketAddr::is_ipv6) else { return addresses };
        let (same, other): (Vec<_>, Vec<_>) =
            addresses.into_iter().partition(|address| address.is_ipv6() == first);
        let (mut same, mut other) = (same.into_iter(), other.into_iter());
        let mut turns = Vec::new();
        loop {
            let before = turns.len();
            turns.extend(same.next());
            turns.extend(other.next());
            if turns.len() == before {
                return turns;
            }
        }
    }
}

impl ToSocketAddrs for SocketAddr {
    fn candidates(&self) -> Candidates {
        Candidates::Addresses(vec![*self])
    }
}

/// Implements the trait for what converts into an address.
macro_rules! convertible {
    ($($type:ty),*) => {$(
        impl ToSocketAddrs for $type {
            fn candidates(&self) -> Candidates {
                SocketAddr::from(*self).candidates()
            }
        }
    )*};
}

convertible!(SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl ToSocketAddrs for [SocketAddr] {
    fn candidates(&self) -> Candidates {
        Candidates::Addresses(self.to_vec())
    }
}

impl ToSocketAddrs for (&str, u16) {
    fn candidates(&self) -> Candidates {
        let (host, port) = *self;
        match address_of(host, port) {
            Some(address) => address.candidates(),
            None => Candidates::Name(host.to_owned(), port),
        }
    }
}

impl ToSocketAddrs for (String, u16) {
    fn candidates(&self) -> Candidates {
        (&*self.0, self.1).candidates()
    }
}

impl ToSocketAddrs for str {
    fn candidates(&self) -> Candidates {
        if let Ok(address) = self.parse::<SocketAddr>() {
            return address.candidates();
        }
        match self.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
            Some((host, Ok(port))) if !host.is_empty() => (without_brackets(host), port).candidates(),
            _ => Candidates::Invalid(self.to_owned()),
        }
    }
}

/// An address that names its interface, `[fe80::1%eth0]`, without its brackets. Other things in brackets are none.
fn without_brackets(host: &str) -> &str {
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    inside.filter(|inside| names_interface(inside)).unwrap_or(host)
}

impl ToSocketAddrs for String {
    fn candidates(&self) -> Candidates {
        self.as_str().candidates()
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    fn candidates(&self) -> Candidates {
        (**self).candidates()
    }
}

impl ToSocketAddrs for Vec<SocketAddr> {
    fn candidates(&self) -> Candidates {
        self.as_slice().candidates()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(text: &[&str]) -> Vec<SocketAddr> {
        text.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns_in_the_resolvers_order() {
        let candidates = addresses(&["[::1]:1", "[::2]:1", "1.1.1.1:1", "[::3]:1", "2.2.2.2:1"]).candidates();
        let expected = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"]);
        assert_eq!(candidates.interleaved(), expected);
    }

    #[test]
    fn literals_are_not_looked_up_and_names_are() {
        assert!(matches!("127.0.0.1:80".candidates(), Candidates::Addresses(_)));
        assert!(matches!(("::1", 80).candidates(), Candidates::Addresses(_)));
        assert!(matches!("localhost:80".candidates(), Candidates::Name(host, 80) if host == "localhost"));
        assert!(matches!("localhost".candidates(), Candidates::Invalid(_)));
        assert!(matches!("[fe80::1%2]:80".candidates(), Candidates::Addresses(_)));
        assert!(matches!(("fe80::1%2", 80).candidates(), Candidates::Addresses(_)));
        assert!(
            matches!("[fe80::1%eth0]:80".candidates(), Candidates::Name(host, 80) if host == "fe80::1%eth0")
        );
        assert!(matches!("[fe80::1%]:80".candidates(), Candidates::Name(host, 80) if host == "[fe80::1%]"));
        assert!(matches!("[name%eth0]:80".candidates(), Candidates::Name(host, 80) if host == "[name%eth0]"));
        assert!(matches!(":80".candidates(), Candidates::Invalid(_)));
    }
}
