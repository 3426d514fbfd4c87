//! UDP.

mod addresses;
mod ending;
mod errors;
mod multicast;
mod options;
mod receiving;
mod segments;
mod sending;

use anyio::{
    CancelScope, Result,
    net::{
        ConnectedUdpSocket, UdpSocket, UdpSocketOptions,
        attribute::{Family, LocalAddress, LocalPort, RemoteAddress},
    },
    streams::{
        Attributes, BoxedUnreliableObjectStream, UnreliableObjectReceiveStream, UnreliableObjectSendStream,
    },
};
use std::{
    net::Ipv4Addr,
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

async fn pair() -> Result<(ConnectedUdpSocket, UdpSocket)> {
    let server = UdpSocket::bind("127.0.0.1:0").await?;
    Ok((ConnectedUdpSocket::connect(server.local_addr()?).await?, server))
}

fn has_v6() -> bool {
    std::net::UdpSocket::bind("[::1]:0").is_ok()
}

/// An address of this host of each family that it has.
fn hosts() -> impl Iterator<Item = &'static str> {
    ["127.0.0.1:0", "[::1]:0"].into_iter().filter(|host| !host.starts_with('[') || has_v6())
}

/// Turns an option of a socket on.
fn turn_on(socket: impl AsFd, level: libc::c_int, option: libc::c_int) {
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int, and the length says so.
    let set = unsafe {
        let length = size_of_val(&on) as libc::socklen_t;
        libc::setsockopt(socket.as_fd().as_raw_fd(), level, option, (&raw const on).cast(), length)
    };
    assert_eq!(set, 0);
}

/// Fills each of several datagrams of a size with its number.
fn numbered(count: usize, size: usize) -> Vec<u8> {
    (0..count).flat_map(|number| vec![number as u8; size]).collect()
}

#[anyio::test]
async fn datagrams_go_to_and_fro_with_their_addresses() -> Result<()> {
    for host in hosts() {
        let server = UdpSocket::bind(host).await?;
        let client = UdpSocket::bind(host).await?;
        for size in [0, 1, 1_200, 20_000, 65_000] {
            client.send_to(vec![size as u8; size], server.local_addr()?).await?;
            let datagram = server.receive().await?;
            assert_eq!((datagram.data.len(), datagram.from), (size, client.local_addr()?));
            assert!(!datagram.truncated && datagram.ecn.is_none() && datagram.to.is_none());
            server.send_to(datagram.data, datagram.from).await?;
            assert_eq!(client.receive().await?.data, vec![size as u8; size]);
        }
    }
    Ok(())
}

#[anyio::test]
async fn a_connected_socket_hears_its_peer_alone() -> Result<()> {
    let server = UdpSocket::bind("127.0.0.1:0").await?;
    let local = "127.0.0.1:0".parse().unwrap();
    let client = UdpSocketOptions::new().local_address(local).connect(server.local_addr()?).await?;
    assert_eq!(client.peer_addr()?, server.local_addr()?);
    assert_eq!(client.local_addr()?.ip(), Ipv4Addr::LOCALHOST);
    let stranger = UdpSocket::bind("127.0.0.1:0").await?;
    stranger.send_to("from a stranger", client.local_addr()?).await?;
    server.send_to("from its peer", client.local_addr()?).await?;
    let datagram = client.receive().await?;
    assert_eq!((&*datagram.data, datagram.from), (&b"from its peer"[..], server.local_addr()?));
    client.send("back").await?;
    assert_eq!(server.receive().await?.data, "back");
    let (sent, buffer) = client.send_buf(vec![1, 2, 3]).await;
    sent?;
    assert_eq!(buffer, [1, 2, 3]);
    assert!(client.path_mtu()? > 1_000);
    Ok(())
}

#[anyio::test]
async fn sockets_are_streams_of_objects_without_promises() -> Result<()> {
    let (mut client, mut server) = pair().await?;
    let address = client.local_addr()?;
    UnreliableObjectSendStream::send(&mut client, "x").await?;
    let (data, from) = UnreliableObjectReceiveStream::receive(&mut server).await?.unwrap();
    assert_eq!((&*data, from), (&b"x"[..], address));
    UnreliableObjectSendStream::send(&mut server, (data, from)).await?;
    let mut boxed: BoxedUnreliableObjectStream<anyio::Chunk> = BoxedUnreliableObjectStream::new(client);
    let data = boxed.receive().await?.unwrap();
    assert_eq!(data, "x");
    boxed.send(data).await?;
    assert_eq!(boxed.extra::<LocalAddress>(), Some(address));
    assert_eq!(server.receive().await?.data, "x");
    Ok(())
}

#[anyio::test]
async fn attributes_are_known() -> Result<()> {
    let (client, server) = pair().await?;
    assert_eq!(client.extra::<RemoteAddress>(), Some(server.local_addr()?));
    assert_eq!(server.extra::<RemoteAddress>(), None);
    assert_eq!(server.extra::<LocalPort>(), Some(server.local_addr()?.port()));
    assert_eq!(server.extra::<Family>(), Some(socket2::Domain::IPV4));
    Ok(())
}

#[anyio::test]
async fn sending_does_not_begin_in_a_cancelled_scope() -> Result<()> {
    let (client, server) = pair().await?;
    let scope = CancelScope::new();
    scope.cancel();
    assert!(scope.run(async || client.send("lost").await).await?.is_none());
    client.send("found").await?;
    assert_eq!(server.receive().await?.data, "found");
    let waited = anyio::move_on_after(Duration::from_millis(1), server.receive()).await?;
    assert!(waited.is_none());
    Ok(())
}
