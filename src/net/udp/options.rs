//! How a UDP socket is to be made.

use super::{ConnectedUdpSocket, UdpSocket, host, socket::set_hops};
use crate::{
    error::{Error, Result},
    lowlevel::checkpoint_if_cancelled,
    net::{
        addresses::{Candidates, ToSocketAddrs},
        datagrams::BufferSizes,
    },
    runtime::{
        Descriptor,
        calls::{self, Options},
    },
};
use socket2::{Domain, Protocol, Type};
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, OwnedFd},
};

/// How a UDP socket is to be made.
///
/// ```
/// use anyio::net::UdpSocketOptions;
///
/// # anyio::run(async || -> anyio::Result<()> {
/// let socket = UdpSocketOptions::new().ecn(true).receive_buffer(1 << 20).bind("127.0.0.1:0").await?;
/// # let _ = socket;
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug, Clone, Default)]
pub struct UdpSocketOptions {
    reuse_address: bool,
    reuse_port: bool,
    both_families: bool,
    broadcast: bool,
    local_address: Option<SocketAddr>,
    buffers: BufferSizes,
    hops: Option<u32>,
    traffic_class: Option<u8>,
    device: Option<String>,
    destination: bool,
    ecn: bool,
    coalesce: bool,
    whole_packets: bool,
}

impl UdpSocketOptions {
    /// What the system does by default; an IPv6 socket for IPv6 alone.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether others may bind the same address (`SO_REUSEADDR`), as several receivers of a multicast group do.
    #[must_use]
    pub fn reuse_address(mut self, on: bool) -> Self {
        self.reuse_address = on;
        self
    }

    /// Whether several sockets may share the port, the kernel dealing datagrams out by their senders (`SO_REUSEPORT`): one
    /// for each core.
    #[must_use]
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.reuse_port = on;
        self
    }

    /// Whether an IPv6 socket is one for IPv4 too, whose addresses are then mapped (`::ffff:1.2.3.4`).
    #[must_use]
    pub fn both_families(mut self, on: bool) -> Self {
        self.both_families = on;
        self
    }

    /// Whether datagrams may be sent to broadcast addresses.
    #[must_use]
    pub fn broadcast(mut self, on: bool) -> Self {
        self.broadcast = on;
        self
    }

    /// The address of this side of a socket that [`connect`](Self::connect) makes.
    #[must_use]
    pub fn local_address(mut self, address: SocketAddr) -> Self {
        self.local_address = Some(address);
        self
    }

    /// How many bytes of datagrams the system keeps that were not received yet; what does not fit is dropped. The system
    /// has a limit of its own, up to which it goes without a word.
    #[must_use]
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.buffers.receive = Some(bytes);
        self
    }

    /// How many bytes may be on their way out before sending waits. As for [`receive_buffer`](Self::receive_buffer).
    #[must_use]
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.buffers.send = Some(bytes);
        self
    }

    /// How many routers a datagram may pass (time to live, hop limit).
    #[must_use]
    pub fn hops(mut self, hops: u32) -> Self {
        self.hops = Some(hops);
        self
    }

    /// The type of service (IPv4) or traffic class (IPv6). Its lowest two bits are those about congestion.
    #[must_use]
    pub fn traffic_class(mut self, class: u8) -> Self {
        self.traffic_class = Some(class);
        self
    }

    /// The interface to use alone, by its name (`SO_BINDTODEVICE`). Linux only.
    #[must_use]
    pub fn device(mut self, name: impl Into<String>) -> Self {
        self.device = Some(name.into());
        self
    }

    /// Whether each datagram tells which address it was sent to, and by which interface it came (`IP_PKTINFO`). A socket
    /// for all addresses of the host needs it to answer from the right one ([`SendOptions::from`](super::SendOptions::from)).
    /// Linux only.
    #[must_use]
    pub fn destination(mut self, on: bool) -> Self {
        self.destination = on;
        self
    }

    /// Whether each datagram tells its bits about congestion. Linux only.
    #[must_use]
    pub fn ecn(mut self, on: bool) -> Self {
        self.ecn = on;
        self
    }

    /// Whether the kernel may put datagrams of one sender that follow each other together, and hand them over at once
    /// (`UDP_GRO`). They are received one by one all the same, without a copy; it only takes a fraction of the time. Where
    /// it is not to be had, nothing changes.
    #[must_use]
    pub fn coalesce(mut self, on: bool) -> Self {
        self.coalesce = on;
        self
    }

    /// Whether what is too long for the path to its receiver is an error (`EMSGSIZE`), and not sent in fragments. Linux
    /// only.
    #[must_use]
    pub fn whole_packets(mut self, on: bool) -> Self {
        self.whole_packets = on;
        self
    }

    /// Makes a socket on the first address that can be had. Port 0 lets the system choose one.
    ///
    /// # Errors
    /// What the system says of the last address, or of an option; what the resolver says of a name.
    pub async fn bind(&self, address: impl ToSocketAddrs) -> Result<UdpSocket> {
        let mut failure = nowhere("bind");
        for address in resolved(address).await? {
            match self.bind_to(address) {
                Ok(socket) => {
                    return Ok(UdpSocket::from_descriptor(Descriptor::adopt(socket), address.is_ipv6()));
                }
                Err(error) => failure = Error::of_operation(error, "bind", address),
            }
        }
        Err(failure)
    }

    /// Makes a socket for one peer: the first address that the system takes. Nothing is sent for it, and nobody need be
    /// there.
    ///
    /// # Errors
    /// What the system says of the last address, or of an option; what the resolver says of a name.
    pub async fn connect(&self, address: impl ToSocketAddrs) -> Result<ConnectedUdpSocket> {
        let mut failure = nowhere("connect");
        for address in resolved(address).await? {
            let any = match address {
                SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
                SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
            };
            let connected = self.bind_to(self.local_address.unwrap_or(any)).and_then(|socket| {
                calls::connect(&socket, &address.into())?;
                Ok(socket)
            });
            match connected {
                Ok(socket) => {
                    return Ok(ConnectedUdpSocket::from_descriptor(
                        Descriptor::adopt(socket),
                        address.is_ipv6(),
                    ));
                }
                Err(error) => failure = Error::of_operation(error, "connect", address),
            }
        }
        Err(failure)
    }

    fn bind_to(&self, address: SocketAddr) -> io::Result<OwnedFd> {
        let socket = calls::make_socket(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        let options = Options::of(&socket);
        let is_v6 = address.is_ipv6();
        if self.reuse_address {
            options.set(|socket| socket.set_reuse_address(true))?;
        }
        if self.reuse_port {
            options.set(|socket| socket.set_reuse_port(true))?;
        }
        if is_v6 {
            options.set(|socket| socket.set_only_v6(!self.both_families))?;
        }
        if self.broadcast {
            options.set(|socket| socket.set_broadcast(true))?;
        }
        self.buffers.apply(&socket)?;
        if let Some(hops) = self.hops {
            set_hops(options, is_v6, hops)?;
        }
        if let Some(class) = self.traffic_class {
            host::set_traffic_class(options, is_v6, class)?;
        }
        if let Some(name) = &self.device {
            host::bind_device(options, name)?;
        }
        if self.destination {
            host::tell_destination(socket.as_fd(), is_v6)?;
        }
        if self.ecn {
            host::tell_ecn(socket.as_fd(), is_v6)?;
        }
        if self.coalesce {
            // Without it everything works all the same.
            let _ = host::coalesce(socket.as_fd());
        }
        if self.whole_packets {
            host::forbid_fragments(socket.as_fd(), is_v6)?;
        }
        calls::bind(&socket, &address.into())?;
        Ok(socket)
    }
}

async fn resolved(address: impl ToSocketAddrs) -> Result<Vec<SocketAddr>> {
    let Candidates::Addresses(addresses) = address.candidates().resolved().await? else {
        unreachable!("what was resolved is addresses")
    };
    checkpoint_if_cancelled().await?;
    Ok(addresses)
}

fn nowhere(what: &str) -> Error {
    let text = format!("there is no address to {what} to");
    Error::Io(io::Error::new(io::ErrorKind::InvalidInput, text))
}

impl ConnectedUdpSocket {
    /// Makes a socket for one peer with the default options. Nothing is sent for it, and nobody need be there.
    ///
    /// # Errors
    /// As for [`UdpSocketOptions::connect`].
    pub async fn connect(address: impl ToSocketAddrs) -> Result<Self> {
        UdpSocketOptions::new().connect(address).await
    }
}

impl UdpSocket {
    /// Makes a socket with the default options. Port 0 lets the system choose one.
    ///
    /// # Errors
    /// As for [`UdpSocketOptions::bind`].
    pub async fn bind(address: impl ToSocketAddrs) -> Result<Self> {
        UdpSocketOptions::new().bind(address).await
    }
}
