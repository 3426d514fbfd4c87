//! Hosts where only the bytes of datagrams are known.

use super::{Belongings, Ecn};
use crate::{ancillary::Control, runtime::calls::Options};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::{AsFd, BorrowedFd},
};

pub(in crate::net::udp) const CONTROL_ROOM: usize = 0;

pub(in crate::net::udp) fn belongings(_control: &[u8]) -> Belongings {
    Belongings::default()
}

pub(in crate::net::udp) fn push_ecn(_control: &mut Control, _is_v4: bool, _ecn: Ecn) {}

pub(in crate::net::udp) fn push_source(
    _control: &mut Control,
    _is_v4: bool,
    _from: Option<IpAddr>,
    _interface: Option<u32>,
) -> io::Result<()> {
    unsupported()
}

pub(in crate::net::udp) fn push_segment_size(_control: &mut Control, _size: u16) {}

pub(in crate::net::udp) fn can_segment(_socket: BorrowedFd<'_>) -> bool {
    false
}

pub(in crate::net::udp) fn coalesce(_socket: BorrowedFd<'_>) -> io::Result<()> {
    unsupported()
}

pub(in crate::net::udp) fn tell_destination(_socket: BorrowedFd<'_>, _is_v6: bool) -> io::Result<()> {
    unsupported()
}

pub(in crate::net::udp) fn tell_ecn(_socket: BorrowedFd<'_>, _is_v6: bool) -> io::Result<()> {
    unsupported()
}

pub(in crate::net::udp) fn forbid_fragments(_socket: BorrowedFd<'_>, _is_v6: bool) -> io::Result<()> {
    unsupported()
}

pub(in crate::net::udp) fn path_mtu(_socket: BorrowedFd<'_>, _is_v6: bool) -> io::Result<u32> {
    unsupported()
}

pub(in crate::net::udp) fn set_traffic_class(
    _options: Options<'_>,
    _is_v6: bool,
    _class: u8,
) -> io::Result<()> {
    unsupported()
}

pub(in crate::net::udp) fn bind_device(_options: Options<'_>, _name: &str) -> io::Result<()> {
    unsupported()
}

/// The system chooses the interface; another cannot be asked for by number.
pub(in crate::net::udp) fn join_v4(options: Options<'_>, group: Ipv4Addr, interface: u32) -> io::Result<()> {
    if interface != 0 {
        return unsupported();
    }
    options.set(|socket| socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED))
}

pub(in crate::net::udp) fn leave_v4(options: Options<'_>, group: Ipv4Addr, interface: u32) -> io::Result<()> {
    if interface != 0 {
        return unsupported();
    }
    options.set(|socket| socket.leave_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED))
}

pub(in crate::net::udp) fn change_source_v4(
    _options: Options<'_>,
    _group: Ipv4Addr,
    _source: Ipv4Addr,
    _interface: Ipv4Addr,
    _join: bool,
) -> io::Result<()> {
    unsupported()
}

pub(in crate::net::udp) fn change_source_v6(
    _socket: &impl AsFd,
    _group: Ipv6Addr,
    _source: Ipv6Addr,
    _interface: u32,
    _join: bool,
) -> io::Result<()> {
    unsupported()
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}
