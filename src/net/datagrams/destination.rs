//! Where a datagram goes.
//!
//! # Contract
//! The storage has room for each kind of address and is all initialised; the length says how much of it one takes.

use libc::{sockaddr_storage, socklen_t};
use socket2::{Domain, SockAddr};
use std::{ffi::c_void, mem, net::SocketAddr, ptr};

/// An address as the system wants it, or none. It is written where it stays: moving 128 bytes for each datagram would cost
/// more than all else that is done for its header.
pub(in crate::net) struct Destination {
    storage: sockaddr_storage,
    /// 0 if there is no address.
    length: socklen_t,
}

impl Destination {
    pub(super) fn none() -> Self {
        // SAFETY: all zeroes is an address, of no family.
        Self { storage: unsafe { mem::zeroed() }, length: 0 }
    }

    /// The peer, if the socket has one.
    #[inline]
    pub(in crate::net) fn clear(&mut self) {
        self.length = 0;
    }

    /// Any address.
    pub(in crate::net) fn set(&mut self, address: Option<SockAddr>) {
        self.length = 0;
        if let Some(address) = address {
            // SAFETY: an address is a storage, of which so many bytes count.
            self.storage = unsafe { *address.as_ptr().cast::<sockaddr_storage>() };
            self.length = address.len();
        }
    }

    /// An address of the internet.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[inline]
    pub(in crate::net) fn set_internet(&mut self, address: Option<SocketAddr>) {
        match address {
            None => self.clear(),
            Some(SocketAddr::V4(address)) => self.write(libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr { s_addr: address.ip().to_bits().to_be() },
                sin_zero: [0; 8],
            }),
            Some(SocketAddr::V6(address)) => self.write(libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: address.ip().octets() },
                sin6_scope_id: address.scope_id(),
            }),
        }
    }

    /// The same on systems whose addresses begin otherwise.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    pub(in crate::net) fn set_internet(&mut self, address: Option<SocketAddr>) {
        self.set(address.map(SockAddr::from));
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[inline]
    fn write<T>(&mut self, address: T) {
        const { assert!(size_of::<T>() <= size_of::<sockaddr_storage>()) };
        const { assert!(align_of::<T>() <= align_of::<sockaddr_storage>()) };
        // SAFETY: there is room for it, at that alignment. The records that are written have no gaps.
        unsafe { (&raw mut self.storage).cast::<T>().write(address) };
        self.length = size_of::<T>() as socklen_t;
    }

    /// Where it is, and how long; null if there is none. Valid as long as this is neither moved nor changed.
    #[inline]
    pub(super) fn parts(&mut self) -> (*mut c_void, socklen_t) {
        match self.length {
            0 => (ptr::null_mut(), 0),
            length => ((&raw mut self.storage).cast(), length),
        }
    }

    /// It, if it names a UNIX socket.
    pub(super) fn of_unix_socket(&self) -> Option<SockAddr> {
        // SAFETY: there is room for a storage, and so many bytes of this one are an address.
        let copied = unsafe {
            SockAddr::try_init(|storage, length| {
                storage.cast::<sockaddr_storage>().write(self.storage);
                *length = self.length;
                Ok(())
            })
        };
        let ((), address) = copied.ok().filter(|_| self.length > 0)?;
        (address.domain() == Domain::UNIX).then_some(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_internet_are_what_the_system_takes() {
        let mut destination = Destination::none();
        for text in ["1.2.3.4:5", "[fe80::1:2%7]:80", "[::1]:65535"] {
            let address: SocketAddr = text.parse().unwrap();
            destination.set(Some(SockAddr::unix("/a/name/that/was/there/before").unwrap()));
            destination.set_internet(Some(address));
            let expected = SockAddr::from(address);
            let (pointer, length) = destination.parts();
            assert_eq!(length, expected.len());
            // SAFETY: both are as long as they say.
            let bytes = |pointer: *const u8| unsafe { std::slice::from_raw_parts(pointer, length as usize) };
            assert_eq!(bytes(pointer.cast()), bytes(expected.as_ptr().cast()), "{text}");
            assert!(destination.of_unix_socket().is_none());
        }
        destination.set_internet(None);
        assert!(destination.parts().0.is_null());
    }

    #[test]
    fn an_address_of_a_unix_socket_is_given_back() {
        let mut destination = Destination::none();
        let address = SockAddr::unix("/some/path").unwrap();
        destination.set(Some(address.clone()));
        assert_eq!(destination.of_unix_socket(), Some(address));
        destination.set(None);
        assert_eq!(destination.of_unix_socket(), None);
    }
}
