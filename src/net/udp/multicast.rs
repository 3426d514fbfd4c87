//! Groups of receivers.

use super::{UdpSocket, host};
use crate::{error::Result, net::tcp::option, runtime::calls::Options};
use socket2::SockRef;
use std::{
    io,
    net::{IpAddr, Ipv4Addr},
};

impl UdpSocket {
    /// Receives what is sent to a group, by the interface of this number; 0 lets the system choose.
    ///
    /// # Errors
    /// What the system says, for example that the address is none of a group.
    pub fn join_multicast(&self, group: IpAddr, interface: u32) -> Result<()> {
        let options = Options::of(self.socket.descriptor());
        let joined = match group {
            IpAddr::V4(group) => host::join_v4(options, group, interface),
            IpAddr::V6(group) => options.set(|socket| socket.join_multicast_v6(&group, interface)),
        };
        option(joined, "joining a multicast group")
    }

    /// Leaves a group that was joined by the same interface.
    ///
    /// # Errors
    /// What the system says, for example that the group was not joined.
    pub fn leave_multicast(&self, group: IpAddr, interface: u32) -> Result<()> {
        let options = Options::of(self.socket.descriptor());
        let left = match group {
            IpAddr::V4(group) => host::leave_v4(options, group, interface),
            IpAddr::V6(group) => options.set(|socket| socket.leave_multicast_v6(&group, interface)),
        };
        option(left, "leaving a multicast group")
    }

    /// Receives what one source sends to a group (RFC 4607). An IPv4 interface is named by its address, an IPv6 one by its
    /// number; 0, or the address 0.0.0.0, lets the system choose.
    ///
    /// # Errors
    /// What the system says; also if the addresses are of different families.
    pub fn join_multicast_source(&self, group: IpAddr, source: IpAddr, interface: Interface) -> Result<()> {
        option(self.change_source(group, source, interface, true), "joining a multicast source")
    }

    /// Leaves what was joined by [`join_multicast_source`](Self::join_multicast_source).
    ///
    /// # Errors
    /// What the system says; also if the addresses are of different families.
    pub fn leave_multicast_source(&self, group: IpAddr, source: IpAddr, interface: Interface) -> Result<()> {
        option(self.change_source(group, source, interface, false), "leaving a multicast source")
    }

    fn change_source(
        &self,
        group: IpAddr,
        source: IpAddr,
        interface: Interface,
        join: bool,
    ) -> io::Result<()> {
        match (group, source, interface) {
            (IpAddr::V4(group), IpAddr::V4(source), Interface::Address(interface)) => {
                host::change_source_v4(Options::of(self.socket.descriptor()), group, source, interface, join)
            }
            (IpAddr::V6(group), IpAddr::V6(source), Interface::Number(number)) => {
                host::change_source_v6(self.socket.descriptor(), group, source, number, join)
            }
            _ => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "group, source and interface have to be of one family",
            )),
        }
    }

    /// Sets by which interface datagrams to groups are sent.
    ///
    /// # Errors
    /// What the system says, or that the interface is named in the way of the other family.
    pub fn set_multicast_interface(&self, interface: Interface) -> Result<()> {
        let options = Options::of(self.socket.descriptor());
        let set = match interface {
            Interface::Address(address) => options.set(|socket| socket.set_multicast_if_v4(&address)),
            Interface::Number(number) => options.set(|socket| socket.set_multicast_if_v6(number)),
        };
        option(set, "IP_MULTICAST_IF")
    }

    /// Sets how many routers a datagram to a group may pass; 1 at first, which is none.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_multicast_hops(&self, hops: u32) -> Result<()> {
        let set = self.by_family(
            |options| options.set_multicast_ttl_v4(hops),
            |options| options.set_multicast_hops_v6(hops),
        );
        option(set, "IP_MULTICAST_TTL")
    }

    /// Sets whether members on this host get what it sends to a group. True at first.
    ///
    /// # Errors
    /// What the system says.
    pub fn set_multicast_loop(&self, on: bool) -> Result<()> {
        let set = self.by_family(
            |options| options.set_multicast_loop_v4(on),
            |options| options.set_multicast_loop_v6(on),
        );
        option(set, "IP_MULTICAST_LOOP")
    }

    fn by_family(
        &self,
        v4: impl FnOnce(SockRef<'_>) -> io::Result<()>,
        v6: impl FnOnce(SockRef<'_>) -> io::Result<()>,
    ) -> io::Result<()> {
        let options = Options::of(self.socket.descriptor());
        if self.socket.is_v6() { options.set(v6) } else { options.set(v4) }
    }
}

/// Names a network interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Interface {
    /// By an IPv4 address that it has.
    Address(Ipv4Addr),
    /// By its number.
    Number(u32),
}
