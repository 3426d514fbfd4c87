//! From a message to datagrams.
//!
//! # Contract
//! Addresses are read by copies of plain records out of bytes that are long enough.

use super::{Datagram, host};
use crate::{message::ReceivedMessage, net::datagrams::Interpreter};
use anyio_driver::{Chunk, MessageLayout};
use std::{
    cell::Cell,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
};

/// What each message is received with. An address takes 28 bytes at most; what follows is aligned to words.
pub(super) const LAYOUT: MessageLayout = MessageLayout { name: 32, control: host::CONTROL_ROOM };

/// Makes datagrams of messages, each of which may be several that the kernel has put together.
#[derive(Default)]
pub(super) struct UdpInterpreter {
    rest: Cell<Option<Rest>>,
}

/// Datagrams that came as one.
struct Rest {
    /// All of them: each datagram is split off.
    all: Datagram,
    size: usize,
}

impl Rest {
    /// The first of them, and the others if there are any.
    fn split(mut self) -> (Datagram, Option<Self>) {
        if self.all.data.len() <= self.size {
            return (self.all, None);
        }
        let data = self.all.data.split_to(self.size);
        // Of a cut message the end is missing.
        let first = Datagram { data, truncated: false, ..self.all.without_data() };
        (first, Some(self))
    }
}

impl Datagram {
    /// A datagram with the same belongings and no bytes.
    fn without_data(&mut self) -> Self {
        Self {
            data: self.data.split_to(0),
            from: self.from,
            to: self.to,
            interface: self.interface,
            ecn: self.ecn,
            truncated: self.truncated,
        }
    }
}

impl Interpreter for UdpInterpreter {
    type Datagram = Datagram;

    #[inline]
    fn rest(&self) -> Option<Datagram> {
        let (first, rest) = self.rest.take()?.split();
        self.rest.set(rest);
        Some(first)
    }

    #[inline]
    fn interpret(&self, message: ReceivedMessage) -> Datagram {
        let from = address(message.name());
        let belongings = host::belongings(message.control());
        let truncated = message.is_truncated();
        let data: Chunk = message.into_payload();
        let (to, interface, ecn) = (belongings.to, belongings.interface, belongings.ecn);
        let all = Datagram { data, from, to, interface, ecn, truncated };
        match belongings.segment_size {
            Some(size) if size < all.data.len() => {
                let (first, rest) = Rest { all, size }.split();
                self.rest.set(rest);
                first
            }
            _ => all,
        }
    }

    fn forget_rest(&self) {
        self.rest.set(None);
    }
}

impl UdpInterpreter {
    /// Whether datagrams are here that nobody has taken.
    pub(super) fn has_rest(&self) -> bool {
        let rest = self.rest.take();
        let has = rest.is_some();
        self.rest.set(rest);
        has
    }
}

/// The address that these bytes are. Of what is none, that which nobody has.
fn address(name: &[u8]) -> SocketAddr {
    let nobody = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
    let Some(start) = copy::<Start>(name) else { return nobody };
    match libc::c_int::from(start.0.sa_family) {
        libc::AF_INET => copy::<libc::sockaddr_in>(name).map_or(nobody, |address| {
            let ip = Ipv4Addr::from_bits(u32::from_be(address.sin_addr.s_addr));
            SocketAddrV4::new(ip, u16::from_be(address.sin_port)).into()
        }),
        libc::AF_INET6 => copy::<libc::sockaddr_in6>(name).map_or(nobody, |address| {
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            let port = u16::from_be(address.sin6_port);
            SocketAddrV6::new(ip, port, address.sin6_flowinfo, address.sin6_scope_id).into()
        }),
        _ => nobody,
    }
}

/// What each address begins with.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Start(libc::sockaddr);

fn copy<T: Copy>(bytes: &[u8]) -> Option<T> {
    // SAFETY: there are as many bytes as the record has, and any bytes make one of those that are asked for here.
    (bytes.len() >= size_of::<T>()).then(|| unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use socket2::SockAddr;

    #[test]
    fn addresses_of_both_families_are_read() {
        for text in ["1.2.3.4:5", "[::1]:80", "[fe80::1%7]:1"] {
            let address: SocketAddr = text.parse().unwrap();
            let raw = SockAddr::from(address);
            // SAFETY: an address is as long as it says.
            let bytes = unsafe { std::slice::from_raw_parts(raw.as_ptr().cast::<u8>(), raw.len() as usize) };
            assert_eq!(super::address(bytes), address);
            assert_eq!(super::address(&bytes[..1]).port(), 0);
        }
    }
}
