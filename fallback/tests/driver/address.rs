//! Addresses as system calls have them.

use std::net::{SocketAddr, SocketAddrV4};

pub(crate) struct Address(libc::sockaddr_in);

impl Address {
    pub(crate) fn pointer(&self) -> *const libc::sockaddr {
        (&raw const self.0).cast()
    }

    pub(crate) fn length(&self) -> libc::socklen_t {
        size_of_val(&self.0) as libc::socklen_t
    }
}

/// Boxed, so that it stays where it is.
pub(crate) fn of(address: SocketAddr) -> Box<Address> {
    let SocketAddr::V4(address) = address else { panic!("tests use IPv4") };
    Box::new(Address(raw(address)))
}

fn raw(address: SocketAddrV4) -> libc::sockaddr_in {
    // SAFETY: all zeroes is a valid address.
    let mut raw: libc::sockaddr_in = unsafe { std::mem::zeroed() };
    raw.sin_family = libc::AF_INET as libc::sa_family_t;
    raw.sin_port = address.port().to_be();
    raw.sin_addr.s_addr = u32::from_ne_bytes(address.ip().octets());
    raw
}
