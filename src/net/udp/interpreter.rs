//! From a message to datagrams.
//!
//! # Contract
//! Addresses are read by copies of plain records out of bytes that are long enough.

use super::{Datagram, Segments, host};
use crate::{
    message::{MessageForm, ReceivedMessage},
    net::datagrams::Interpreter,
};
use anyio_driver::MessageLayout;
use std::{
    cell::RefCell,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
};

/// How messages are received. An address takes 28 bytes at most; what follows is aligned to words.
pub(super) static FORM: MessageForm =
    MessageForm { layout: MessageLayout { name: 32, control: host::CONTROL_ROOM }, rights: false };

/// Makes datagrams of messages, each of which may be several that the kernel has put together.
#[derive(Default)]
pub(super) struct UdpInterpreter {
    /// It stays where it is while datagrams are split off, as moving all of it for each would cost as much as the rest.
    rest: RefCell<Option<Rest>>,
}

/// Datagrams that came as one.
struct Rest {
    /// All of them: each datagram is split off.
    all: Datagram,
    size: usize,
}

impl Rest {
    /// Splits off the first, which is not the last.
    #[inline]
    fn split_first(&mut self) -> Datagram {
        let Datagram { from, to, interface, ecn, .. } = self.all;
        // Of a cut message the end is missing.
        Datagram { data: self.all.data.split_to(self.size), from, to, interface, ecn, truncated: false }
    }
}

impl Interpreter for UdpInterpreter {
    type Datagram = Datagram;

    #[inline]
    fn has_rest(&self) -> bool {
        self.rest.borrow().is_some()
    }

    #[inline]
    fn rest(&self) -> Datagram {
        let mut rest = self.rest.borrow_mut();
        match &mut *rest {
            Some(several) if several.all.data.len() > several.size => several.split_first(),
            _ => rest.take().expect("something is left").all,
        }
    }

    #[inline]
    fn interpret(&self, message: ReceivedMessage) -> Datagram {
        let (all, size) = read(message);
        match size {
            Some(size) if size < all.data.len() => {
                self.rest.borrow_mut().insert(Rest { all, size }).split_first()
            }
            _ => all,
        }
    }

    fn forget_rest(&self) {
        let rest = self.rest.take();
        drop(rest);
    }
}

impl UdpInterpreter {
    /// All datagrams of a message, or without one all that are left of the one before.
    #[inline]
    pub(super) fn whole(&self, message: Option<ReceivedMessage>) -> Segments {
        let (all, size) = match message {
            Some(message) => read(message),
            None => {
                let Rest { all, size } = self.rest.take().expect("something is left");
                (all, Some(size))
            }
        };
        let Datagram { data, from, to, interface, ecn, truncated } = all;
        let length = data.len();
        let segment_size = size.map_or(length, |size| size.min(length));
        Segments { data, segment_size, from, to, interface, ecn, truncated }
    }
}

/// What a message is, and how long each of its datagrams if it may be several.
#[inline]
fn read(message: ReceivedMessage) -> (Datagram, Option<usize>) {
    let from = address(message.name());
    let belongings = host::belongings(message.control());
    let truncated = message.is_truncated();
    let data = message.into_payload();
    let (to, interface, ecn) = (belongings.to, belongings.interface, belongings.ecn);
    (Datagram { data, from, to, interface, ecn, truncated }, belongings.segment_size)
}

/// The address that these bytes are. Of what is none, that which nobody has.
#[inline]
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

#[inline]
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
