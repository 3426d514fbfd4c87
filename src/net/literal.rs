//! Addresses as text, which nobody has to look up.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The address that a text is, with a port. One of a link may have the number of its interface: `fe80::1%2`.
pub(super) fn address_of(host: &str, port: u16) -> Option<SocketAddr> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(SocketAddr::new(address, port));
    }
    if !names_interface(host) {
        return None;
    }
    format!("[{host}]:{port}").parse::<SocketAddrV6>().ok().map(SocketAddr::V6)
}

/// Whether it is an address that names its interface, as `fe80::1%eth0`. No resolver is to be asked for it, but the system,
/// which knows the numbers of interfaces.
pub(super) fn names_interface(host: &str) -> bool {
    host.split_once('%')
        .is_some_and(|(address, interface)| !interface.is_empty() && address.parse::<Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_names() {
        for (host, address) in [
            ("1.2.3.4", "1.2.3.4:5"),
            ("::1", "[::1]:5"),
            ("fe80::1%2", "[fe80::1%2]:5"),
            ("::1%4294967295", "[::1%4294967295]:5"),
        ] {
            assert_eq!(address_of(host, 5), Some(address.parse().unwrap()), "{host}");
        }
        for host in [
            "",
            "name",
            "1.2.3",
            "[::1]",
            "fe80::1%",
            "fe80::1%eth0",
            "fe80::1%4294967296",
            "1.2.3.4%2",
            "::1%1]:80",
            "%1",
        ] {
            assert_eq!(address_of(host, 5), None, "{host}");
        }
        assert!(names_interface("fe80::1%eth0") && names_interface("fe80::1%2"));
        assert!(
            !names_interface("fe80::1%") && !names_interface("name%eth0") && !names_interface("1.2.3.4%eth0")
        );
    }
}
