//! What is received, and how to send.

use anyio_driver::Chunk;
use std::net::{IpAddr, SocketAddr};

/// What the two bits for explicit congestion notification say (RFC 3168).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Ecn {
    /// The transport does not take part.
    NotCapable = 0b00,
    /// It takes part; ECT(1).
    Capable1 = 0b01,
    /// It takes part; ECT(0), which most use.
    Capable0 = 0b10,
    /// A router has met congestion.
    Congestion = 0b11,
}

impl Ecn {
    /// What the lowest two bits of a TOS or traffic class say.
    pub fn from_bits(bits: u8) -> Self {
        match bits & 0b11 {
            0b00 => Self::NotCapable,
            0b01 => Self::Capable1,
            0b10 => Self::Capable0,
            _ => Self::Congestion,
        }
    }

    /// The two bits.
    pub fn bits(self) -> u8 {
        self as u8
    }
}

/// A datagram that was received.
#[derive(Debug)]
#[non_exhaustive]
pub struct Datagram {
    /// Its bytes. There may be none.
    pub data: Chunk,
    /// Who sent it.
    pub from: SocketAddr,
    /// Which address of this host it was sent to; known if asked for by
    /// [`destination`](super::UdpSocketOptions::destination).
    pub to: Option<IpAddr>,
    /// The number of the interface it came in by; known with [`to`](Self::to).
    pub interface: Option<u32>,
    /// What its bits about congestion say; known if asked for by [`ecn`](super::UdpSocketOptions::ecn).
    pub ecn: Option<Ecn>,
    /// Whether it was longer than 65,536 bytes and is cut.
    pub truncated: bool,
}

/// How to send, beyond what and where to. By default as the socket's own options say.
///
/// ```
/// use anyio::net::{Ecn, SendOptions};
///
/// let options = SendOptions::new().ecn(Ecn::Capable0).segment_size(1_200);
/// # let _ = options;
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SendOptions {
    pub(super) from: Option<IpAddr>,
    pub(super) interface: Option<u32>,
    pub(super) ecn: Option<Ecn>,
    pub(super) segment_size: Option<usize>,
}

impl SendOptions {
    /// Nothing special.
    pub fn new() -> Self {
        Self::default()
    }

    /// From which address of this host to send, such as that which a datagram to be answered was sent to. Linux only.
    #[must_use]
    pub fn from(mut self, address: IpAddr) -> Self {
        self.from = Some(address);
        self
    }

    /// By which interface to send, by its number. Linux only.
    #[must_use]
    pub fn interface(mut self, number: u32) -> Self {
        self.interface = Some(number);
        self
    }

    /// What the bits about congestion are to say.
    #[must_use]
    pub fn ecn(mut self, ecn: Ecn) -> Self {
        self.ecn = Some(ecn);
        self
    }

    /// The data is several datagrams of so many bytes each, one behind the other; the last may be shorter.
    ///
    /// # Panics
    /// If the size is 0.
    #[must_use]
    pub fn segment_size(mut self, bytes: usize) -> Self {
        assert!(bytes > 0, "datagrams of 0 bytes would be endlessly many");
        self.segment_size = Some(bytes);
        self
    }
}
