//! Groups of receivers.

use super::has_v6;
use anyio::{
    Result,
    net::{Interface, UdpSocket, UdpSocketOptions},
};
use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

#[anyio::test]
async fn groups_are_joined_and_left() -> Result<()> {
    let loopback = 1;
    let group = IpAddr::from(Ipv4Addr::new(239, 1, 2, 3));
    let member = UdpSocketOptions::new().reuse_address(true).bind("0.0.0.0:0").await?;
    let to = SocketAddr::new(group, member.local_addr()?.port());
    member.join_multicast(group, loopback)?;
    let sender = UdpSocket::bind("127.0.0.1:0").await?;
    sender.set_multicast_interface(Interface::Address(Ipv4Addr::LOCALHOST))?;
    sender.set_multicast_hops(2)?;
    sender.set_multicast_loop(true)?;
    sender.send_to("to all", to).await?;
    assert_eq!(member.receive().await?.data, "to all");
    member.leave_multicast(group, loopback)?;
    assert!(member.leave_multicast(group, loopback).is_err());
    // Of one source alone.
    let here = Interface::Address(Ipv4Addr::LOCALHOST);
    let (source, other) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv4Addr::new(127, 0, 0, 9)));
    let alone = IpAddr::from(Ipv4Addr::new(232, 1, 2, 3));
    let to = SocketAddr::new(alone, to.port());
    member.join_multicast_source(alone, source, here)?;
    let stranger = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, 9), 0)).await?;
    stranger.set_multicast_interface(here)?;
    stranger.send_to("from a stranger", to).await?;
    sender.send_to("from the source", to).await?;
    assert_eq!(member.receive().await?.data, "from the source");
    member.leave_multicast_source(alone, source, here)?;
    assert!(member.leave_multicast_source(alone, other, here).is_err());
    assert!(member.join_multicast_source(alone, Ipv6Addr::LOCALHOST.into(), here).is_err());
    Ok(())
}

#[anyio::test]
async fn groups_of_the_other_family_are_joined_and_left() -> Result<()> {
    if !has_v6() {
        return Ok(());
    }
    let loopback = 1;
    let group: Ipv6Addr = "ff31::8000:1234".parse().unwrap();
    let member = UdpSocket::bind("[::]:0").await?;
    member.join_multicast(group.into(), loopback)?;
    member.leave_multicast(group.into(), loopback)?;
    let here = Interface::Number(loopback);
    let source = Ipv6Addr::LOCALHOST.into();
    member.join_multicast_source(group.into(), source, here)?;
    member.leave_multicast_source(group.into(), source, here)?;
    assert!(member.leave_multicast_source(group.into(), source, here).is_err());
    member.set_multicast_interface(here)?;
    member.set_multicast_hops(2)?;
    member.set_multicast_loop(false)?;
    Ok(())
}

#[anyio::test]
async fn a_group_that_is_joined_twice_is_told_and_left_once() -> Result<()> {
    let loopback = 1;
    let member = UdpSocketOptions::new().reuse_address(true).bind("0.0.0.0:0").await?;
    // A group of its own: what is sent to one that any socket of this host has joined comes to all with its port.
    let [high, low] = member.local_addr()?.port().to_be_bytes();
    let group = IpAddr::from(Ipv4Addr::new(239, 2, high, low));
    let sender = UdpSocket::bind("127.0.0.1:0").await?;
    sender.set_multicast_interface(Interface::Address(Ipv4Addr::LOCALHOST))?;
    let to = SocketAddr::new(group, member.local_addr()?.port());
    for _ in 0..3 {
        member.join_multicast(group, loopback)?;
        let error = member.join_multicast(group, loopback).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse, "{error:?}");
        sender.send_to("once", to).await?;
        assert_eq!(member.receive().await?.data, "once");
        member.leave_multicast(group, loopback)?;
        let error = member.leave_multicast(group, loopback).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable, "{error:?}");
    }
    sender.send_to("to nobody", to).await?;
    sender.send_to("directly", (Ipv4Addr::LOCALHOST, to.port()).into()).await?;
    assert_eq!(member.receive().await?.data, "directly");
    // No group at all, and one of the other family.
    for none in [Ipv4Addr::LOCALHOST.into(), IpAddr::from(Ipv6Addr::LOCALHOST)] {
        assert!(member.join_multicast(none, loopback).is_err(), "{none}");
    }
    assert!(member.join_multicast(group, u32::MAX).is_err());
    Ok(())
}
