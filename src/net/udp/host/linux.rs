//! Linux.
//!
//! # Contract
//! Options and ancillary data are plain numbers, read and written by copies; lengths say how long they are.

use super::{Belongings, Ecn};
use crate::{
    ancillary::{self, Control, Piece},
    runtime::calls::{self, Options, set_option},
};
use libc::{c_int, in_pktinfo, in6_pktinfo};
use socket2::InterfaceIndexOrAddress;
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::{AsFd, BorrowedFd},
};

/// Room for all that may come: the local address, the bits about congestion and the size of segments, of either family.
pub(in crate::net::udp) const CONTROL_ROOM: usize = ancillary::space(size_of::<in_pktinfo>())
    + ancillary::space(size_of::<in6_pktinfo>())
    + 2 * ancillary::space(size_of::<c_int>())
    + ancillary::space(size_of::<c_int>());

/// What belongs to a datagram.
#[inline]
pub(in crate::net::udp) fn belongings(control: &[u8]) -> Belongings {
    let mut found = Belongings::default();
    for piece in ancillary::pieces(control) {
        match (piece.level, piece.kind) {
            (libc::IPPROTO_IP, libc::IP_TOS) | (libc::IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                found.ecn = piece.number().map(|bits| Ecn::from_bits(bits as u8));
            }
            (libc::SOL_UDP, libc::UDP_GRO) => {
                found.segment_size =
                    piece.number().and_then(|size| usize::try_from(size).ok()).filter(|&size| size > 0);
            }
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                if let Some(information) = copy::<in_pktinfo>(&piece) {
                    let address = u32::from_be(information.ipi_addr.s_addr);
                    found.to = Some(Ipv4Addr::from_bits(address).into());
                    found.interface = u32::try_from(information.ipi_ifindex).ok();
                }
            }
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                if let Some(information) = copy::<in6_pktinfo>(&piece) {
                    found.to = Some(Ipv6Addr::from(information.ipi6_addr.s6_addr).into());
                    found.interface = Some(information.ipi6_ifindex);
                }
            }
            _ => {}
        }
    }
    found
}

/// A record of plain numbers out of ancillary data.
fn copy<T: Copy>(piece: &Piece<'_>) -> Option<T> {
    // SAFETY: there are as many bytes as the record has, and any bytes make one of those that are asked for here.
    (piece.data.len() >= size_of::<T>()).then(|| unsafe { piece.data.as_ptr().cast::<T>().read_unaligned() })
}

fn bytes_of<T>(value: &T) -> &[u8] {
    // SAFETY: records of plain numbers without gaps, which live as long as the borrow.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(value).cast::<u8>(), size_of::<T>()) }
}

/// Says what the bits about congestion are to say.
pub(in crate::net::udp) fn push_ecn(control: &mut Control, is_v4: bool, ecn: Ecn) {
    let bits = c_int::from(ecn.bits());
    if is_v4 {
        control.push(libc::IPPROTO_IP, libc::IP_TOS, &bits.to_ne_bytes());
    } else {
        control.push(libc::IPPROTO_IPV6, libc::IPV6_TCLASS, &bits.to_ne_bytes());
    }
}

/// Says from which address, and by which interface, to send.
pub(in crate::net::udp) fn push_source(
    control: &mut Control,
    is_v4: bool,
    from: Option<IpAddr>,
    interface: Option<u32>,
) -> io::Result<()> {
    let interface = interface.unwrap_or(0);
    match (is_v4, from.map(|from| if is_v4 { from.to_canonical() } else { from })) {
        (true, Some(IpAddr::V6(_))) | (false, Some(IpAddr::V4(_))) => {
            Err(io::Error::new(io::ErrorKind::InvalidInput, "both addresses have to be of one family"))
        }
        (true, from) => {
            let from = match from {
                Some(IpAddr::V4(from)) => from,
                _ => Ipv4Addr::UNSPECIFIED,
            };
            let information = in_pktinfo {
                ipi_ifindex: interface as c_int,
                ipi_spec_dst: libc::in_addr { s_addr: from.to_bits().to_be() },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            control.push(libc::IPPROTO_IP, libc::IP_PKTINFO, bytes_of(&information));
            Ok(())
        }
        (false, from) => {
            let from = match from {
                Some(IpAddr::V6(from)) => from,
                _ => Ipv6Addr::UNSPECIFIED,
            };
            let information = in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: from.octets() },
                ipi6_ifindex: interface as _,
            };
            control.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, bytes_of(&information));
            Ok(())
        }
    }
}

/// Says that the data is several datagrams of this size.
pub(in crate::net::udp) fn push_segment_size(control: &mut Control, size: u16) {
    control.push(libc::SOL_UDP, libc::UDP_SEGMENT, &size.to_ne_bytes());
}

/// Whether the kernel takes several datagrams at once.
pub(in crate::net::udp) fn can_segment(socket: BorrowedFd<'_>) -> bool {
    get(socket, libc::SOL_UDP, libc::UDP_SEGMENT).is_ok()
}

/// Has datagrams that follow each other come as one.
pub(in crate::net::udp) fn coalesce(socket: BorrowedFd<'_>) -> io::Result<()> {
    set_option(socket, libc::SOL_UDP, libc::UDP_GRO, &1)
}

/// Has it told which address each datagram was sent to.
pub(in crate::net::udp) fn tell_destination(socket: BorrowedFd<'_>, is_v6: bool) -> io::Result<()> {
    let told = set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, &1);
    if is_v6 { set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, &1) } else { told }
}

/// Has it told what the bits about congestion say.
pub(in crate::net::udp) fn tell_ecn(socket: BorrowedFd<'_>, is_v6: bool) -> io::Result<()> {
    let told = set_option(socket, libc::IPPROTO_IP, libc::IP_RECVTOS, &1);
    if is_v6 { set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVTCLASS, &1) } else { told }
}

/// Forbids fragments, so that what is too long for the path is an error.
pub(in crate::net::udp) fn forbid_fragments(socket: BorrowedFd<'_>, is_v6: bool) -> io::Result<()> {
    let set_v4 = set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, &libc::IP_PMTUDISC_DO);
    if is_v6 {
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, &libc::IPV6_PMTUDISC_DO)
    } else {
        set_v4
    }
}

/// How long a packet may be on the way to the peer.
pub(in crate::net::udp) fn path_mtu(socket: BorrowedFd<'_>, is_v6: bool) -> io::Result<u32> {
    let (level, name) =
        if is_v6 { (libc::IPPROTO_IPV6, libc::IPV6_MTU) } else { (libc::IPPROTO_IP, libc::IP_MTU) };
    get(socket, level, name).map(|mtu| mtu as u32)
}

/// Sets the type of service or traffic class.
pub(in crate::net::udp) fn set_traffic_class(options: Options<'_>, is_v6: bool, class: u8) -> io::Result<()> {
    let class = class.into();
    options.set(|socket| if is_v6 { socket.set_tclass_v6(class) } else { socket.set_tos_v4(class) })
}

/// Uses the interface of this name alone.
pub(in crate::net::udp) fn bind_device(options: Options<'_>, name: &str) -> io::Result<()> {
    options.set(|socket| socket.bind_device(Some(name.as_bytes())))
}

/// Joins an IPv4 group.
pub(in crate::net::udp) fn join_v4(options: Options<'_>, group: Ipv4Addr, interface: u32) -> io::Result<()> {
    options.set(|socket| socket.join_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(interface)))
}

/// Leaves an IPv4 group.
pub(in crate::net::udp) fn leave_v4(options: Options<'_>, group: Ipv4Addr, interface: u32) -> io::Result<()> {
    options.set(|socket| socket.leave_multicast_v4_n(&group, &InterfaceIndexOrAddress::Index(interface)))
}

/// Joins or leaves what one source sends to an IPv4 group.
pub(in crate::net::udp) fn change_source_v4(
    options: Options<'_>,
    group: Ipv4Addr,
    source: Ipv4Addr,
    interface: Ipv4Addr,
    join: bool,
) -> io::Result<()> {
    options.set(|socket| match join {
        true => socket.join_ssm_v4(&source, &group, &interface),
        false => socket.leave_ssm_v4(&source, &group, &interface),
    })
}

/// Joins or leaves what one source sends to an IPv6 group.
pub(in crate::net::udp) fn change_source_v6(
    socket: &impl AsFd,
    group: Ipv6Addr,
    source: Ipv6Addr,
    interface: u32,
    join: bool,
) -> io::Result<()> {
    let address = |address: Ipv6Addr| {
        let address = socket2::SockAddr::from(std::net::SocketAddrV6::new(address, 0, 0, 0));
        // SAFETY: the storage of an address is one, of whatever family.
        unsafe { address.as_ptr().cast::<libc::sockaddr_storage>().read() }
    };
    let request = libc::group_source_req {
        gsr_interface: interface,
        gsr_group: address(group),
        gsr_source: address(source),
    };
    let name = if join { libc::MCAST_JOIN_SOURCE_GROUP } else { libc::MCAST_LEAVE_SOURCE_GROUP };
    set_option(socket.as_fd(), libc::IPPROTO_IPV6, name, &request)
}

fn get(socket: BorrowedFd<'_>, level: c_int, name: c_int) -> io::Result<c_int> {
    // SAFETY: any bytes are such a number.
    unsafe { calls::get_option::<c_int>(socket, level, name) }
}
