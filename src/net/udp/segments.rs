//! Datagrams that came as one and are given out as one.

use super::Ecn;
use anyio_driver::Chunk;
use std::net::{IpAddr, SocketAddr};

/// One datagram, or several of one sender that the kernel has put together.
#[derive(Debug)]
#[non_exhaustive]
pub struct Segments {
    /// The bytes of all, one datagram behind the other.
    pub data: Chunk,
    /// How many bytes each datagram has; the last may have fewer. A single one has all there are.
    pub segment_size: usize,
    /// Who sent them.
    pub from: SocketAddr,
    /// Which address of this host they were sent to; known if asked for by
    /// [`destination`](super::UdpSocketOptions::destination).
    pub to: Option<IpAddr>,
    /// The number of the interface they came in by; known with [`to`](Self::to).
    pub interface: Option<u32>,
    /// What their bits about congestion say; known if asked for by [`ecn`](super::UdpSocketOptions::ecn).
    pub ecn: Option<Ecn>,
    /// Whether there were more than 65,536 bytes and they are cut.
    pub truncated: bool,
}

impl Segments {
    /// The bytes of each datagram, in order. There is at least one, which may have none.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let size = self.segment_size.max(1);
        let count = self.data.len().div_ceil(size).max(1);
        (0..count).map(move |number| {
            let start = number * size;
            &self.data[start..self.data.len().min(start + size)]
        })
    }
}
