//! UDP.

use crate::peers::{Random, Ticker, poll_once};
use anyio::{
    Builder, CancelScope, Error, Result, fail_after, gather, lowlevel, move_on_after,
    net::{
        ConnectedUdpSocket, Ecn, Interface, SendOptions, UdpSocket, UdpSocketOptions,
        attribute::{Family, LocalAddress, LocalPort, RemoteAddress},
    },
    streams::{
        Attributes, BoxedUnreliableObjectStream, UnreliableObjectReceiveStream, UnreliableObjectSendStream,
    },
    task_group,
    testing::{
        chaos::{Chaos, OpKind},
        test_backends,
    },
};
use std::{
    cell::{Cell, RefCell},
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::pin,
    time::Duration,
};

async fn pair() -> Result<(ConnectedUdpSocket, UdpSocket)> {
    let server = UdpSocket::bind("127.0.0.1:0").await?;
    Ok((ConnectedUdpSocket::connect(server.local_addr()?).await?, server))
}

fn has_v6() -> bool {
    std::net::UdpSocket::bind("[::1]:0").is_ok()
}

/// Fills each of several datagrams of a size with its number.
fn numbered(count: usize, size: usize) -> Vec<u8> {
    (0..count).flat_map(|number| vec![number as u8; size]).collect()
}

#[anyio::test]
async fn datagrams_go_to_and_fro_with_their_addresses() -> Result<()> {
    for host in ["127.0.0.1:0", "[::1]:0"] {
        if host.starts_with('[') && !has_v6() {
            continue;
        }
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
async fn a_datagram_that_is_too_long_to_send_is_an_error_and_the_next_goes() -> Result<()> {
    let (client, server) = pair().await?;
    let error = client.send(vec![0; 70_000]).await.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE), "{error:?}");
    let (sent, buffer) = server.send_buf_to(vec![0; 70_000], client.local_addr()?).await;
    assert_eq!(sent.unwrap_err().raw_os_error(), Some(libc::EMSGSIZE));
    assert_eq!(buffer.len(), 70_000);
    client.send("short").await?;
    assert_eq!(server.receive().await?.data, "short");
    Ok(())
}

#[anyio::test]
async fn a_receive_that_was_cancelled_or_dropped_loses_nothing() -> Result<()> {
    let (client, server) = pair().await?;
    let mut random = Random::new(5);
    let mut expected = 0_u32;
    let mut sent = 0_u32;
    let ticker = Ticker::new();
    while expected < 300 {
        if random.below(3) > 0 && sent < 300 {
            client.send(sent.to_be_bytes()).await?;
            sent += 1;
        }
        let received = match random.below(4) {
            0 => {
                let mut receiving = pin!(server.receive());
                match poll_once(receiving.as_mut()).await {
                    std::task::Poll::Ready(datagram) => Some(datagram?),
                    std::task::Poll::Pending => None,
                }
            }
            1 => {
                let scope = CancelScope::new();
                let mut running = pin!(scope.run(async || server.receive().await));
                match poll_once(running.as_mut()).await {
                    std::task::Poll::Ready(datagram) => datagram?,
                    std::task::Poll::Pending => {
                        if random.below(2) == 0 {
                            ticker.tick().await;
                        }
                        scope.cancel();
                        running.await?
                    }
                }
            }
            2 => {
                ticker.tick().await;
                None
            }
            _ if expected < sent => Some(server.receive().await?),
            _ => None,
        };
        if let Some(datagram) = received {
            assert_eq!(*datagram.data, expected.to_be_bytes());
            expected += 1;
        }
    }
    Ok(())
}

#[anyio::test]
async fn one_task_receives_while_others_send_together() -> Result<()> {
    let (client, server) = pair().await?;
    let seen = RefCell::new([false; 64]);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            for _ in 0..64 {
                let number = server.receive().await?.data[0];
                seen.borrow_mut()[usize::from(number)] = true;
            }
            Ok(())
        });
        let (client, address) = (&client, server.local_addr()?);
        let another = UdpSocket::bind("127.0.0.1:0").await?;
        gather((0..32_u8).map(|number| client.send([number]))).await?;
        gather((32..64_u8).map(|number| another.send_to([number], address))).await?;
        Ok(())
    })
    .await?;
    assert_eq!(seen.into_inner(), [true; 64]);
    Ok(())
}

#[anyio::test]
async fn only_one_task_receives_at_a_time() -> Result<()> {
    let (_client, server) = pair().await?;
    let mut first = pin!(server.receive());
    assert!(poll_once(first.as_mut()).await.is_pending());
    assert!(matches!(server.receive().await, Err(Error::BusyResource(_))));
    Ok(())
}

#[anyio::test]
async fn that_nobody_listens_is_an_error_of_a_connected_socket_which_stays_usable() -> Result<()> {
    let gone = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
    let client = ConnectedUdpSocket::connect(gone).await?;
    client.send("is there anybody?").await?;
    let error = client.receive().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error:?}");
    let server = std::net::UdpSocket::bind(gone)?;
    client.send("and now?").await?;
    let mut buffer = [0; 16];
    let (count, from) = server.recv_from(&mut buffer)?;
    assert_eq!(&buffer[..count], b"and now?");
    server.send_to(b"yes", from)?;
    assert_eq!(client.receive().await?.data, "yes");
    Ok(())
}

#[anyio::test]
async fn what_the_network_says_of_others_never_ends_a_socket_for_all() -> Result<()> {
    let gone = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
    let server = UdpSocket::bind("127.0.0.1:0").await?;
    // Even if the socket is told of errors.
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int, and the length says so.
    let set = unsafe {
        let fd = std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(&server));
        libc::setsockopt(fd, libc::IPPROTO_IP, libc::IP_RECVERR, (&raw const on).cast(), 4)
    };
    assert_eq!(set, 0);
    for round in 0..10_u8 {
        let mut receiving = pin!(server.receive());
        assert!(poll_once(receiving.as_mut()).await.is_pending());
        // The first is refused by the network, and the second may be told so.
        let _ = server.send_to("x", gone).await;
        Ticker::new().tick().await;
        let client = std::net::UdpSocket::bind("127.0.0.1:0")?;
        client.send_to(&[round], server.local_addr()?)?;
        assert_eq!(receiving.await?.data, [round]);
    }
    Ok(())
}

#[anyio::test]
async fn bits_about_congestion_go_both_ways() -> Result<()> {
    for host in ["127.0.0.1:0", "[::1]:0"] {
        if host.starts_with('[') && !has_v6() {
            continue;
        }
        let server = UdpSocketOptions::new().ecn(true).bind(host).await?;
        let client = UdpSocket::bind(host).await?;
        for ecn in [Ecn::Capable0, Ecn::Capable1, Ecn::Congestion, Ecn::NotCapable] {
            client.send_with("x", server.local_addr()?, SendOptions::new().ecn(ecn)).await?;
            assert_eq!(server.receive().await?.ecn, Some(ecn));
        }
        client.set_traffic_class(Ecn::Capable1.bits())?;
        client.send_to("x", server.local_addr()?).await?;
        assert_eq!(server.receive().await?.ecn, Some(Ecn::Capable1));
    }
    Ok(())
}

#[anyio::test]
async fn a_socket_for_all_addresses_answers_from_the_one_that_was_asked() -> Result<()> {
    let server = UdpSocketOptions::new().destination(true).bind("0.0.0.0:0").await?;
    let port = server.local_addr()?.port();
    for last in [1, 2, 3] {
        let asked = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), port));
        let client = ConnectedUdpSocket::connect(asked).await?;
        client.send("question").await?;
        let question = server.receive().await?;
        assert_eq!(question.to, Some(asked.ip()));
        assert!(question.interface.is_some_and(|number| number > 0));
        let from_there = SendOptions::new().from(question.to.unwrap());
        server.send_with("answer", question.from, from_there).await?;
        // It hears its peer alone.
        assert_eq!(client.receive().await?.data, "answer");
    }
    let other_family = SendOptions::new().from(Ipv6Addr::LOCALHOST.into());
    let (sent, data) = server.send_buf_with("x", (Ipv4Addr::LOCALHOST, port).into(), other_family).await;
    assert_eq!(sent.unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(data, "x");
    Ok(())
}

#[anyio::test]
async fn a_socket_of_both_families_maps_addresses() -> Result<()> {
    if !has_v6() {
        return Ok(());
    }
    let options = UdpSocketOptions::new().both_families(true).destination(true).ecn(true);
    let server = options.bind("[::]:0").await?;
    let port = server.local_addr()?.port();
    let client = UdpSocket::bind("127.0.0.1:0").await?;
    let asked = SocketAddr::from((Ipv4Addr::new(127, 0, 0, 5), port));
    client.send_with("x", asked, SendOptions::new().ecn(Ecn::Capable0)).await?;
    let datagram = server.receive().await?;
    assert_eq!(datagram.from.ip().to_canonical(), client.local_addr()?.ip());
    assert_eq!(datagram.to.map(|to| to.to_canonical()), Some(asked.ip()));
    assert_eq!(datagram.ecn, Some(Ecn::Capable0));
    let options = SendOptions::new().from(datagram.to.unwrap()).ecn(Ecn::Congestion);
    server.send_with("y", datagram.from, options).await?;
    let answer = client.receive().await?;
    assert_eq!((&*answer.data, answer.from), (&b"y"[..], asked));
    Ok(())
}

#[anyio::test]
async fn segments_arrive_as_datagrams_of_their_own() -> Result<()> {
    for coalesce in [false, true] {
        let server = UdpSocketOptions::new()
            .coalesce(coalesce)
            .ecn(true)
            .receive_buffer(1 << 21)
            .bind("127.0.0.1:0")
            .await?;
        let client = UdpSocket::bind("127.0.0.1:0").await?;
        assert!(client.has_segment_offload());
        let address = server.local_addr()?;
        // Fewer than one call takes, more, with a shorter one at the end, and pieces of one byte.
        for (count, size, last) in [(10, 1_200, 0), (100, 1_200, 7), (200, 1, 0), (3, 30_000, 5)] {
            let mut data = numbered(count, size);
            data.extend(vec![255; last]);
            let options = SendOptions::new().segment_size(size).ecn(Ecn::Capable0);
            client.send_with(data, address, options).await?;
            for number in 0..count {
                let datagram = server.receive().await?;
                assert_eq!(datagram.data, vec![number as u8; size], "{number} of {count}");
                assert_eq!((datagram.from, datagram.ecn), (client.local_addr()?, Some(Ecn::Capable0)));
            }
            if last > 0 {
                assert_eq!(server.receive().await?.data, vec![255; last]);
            }
        }
        client.send_segments("short", 1_000, address).await?;
        assert_eq!(server.receive().await?.data, "short");
        let connected = ConnectedUdpSocket::connect(address).await?;
        connected.send_segments(numbered(5, 100), 100).await?;
        for number in 0..5_u8 {
            assert_eq!(server.receive().await?.data, [number; 100]);
        }
    }
    Ok(())
}

#[anyio::test]
async fn datagrams_that_came_as_one_are_kept_when_receives_are_cancelled() -> Result<()> {
    let server = UdpSocketOptions::new().coalesce(true).bind("127.0.0.1:0").await?;
    let client = UdpSocket::bind("127.0.0.1:0").await?;
    client.send_segments(numbered(20, 500), 500, server.local_addr()?).await?;
    let mut kept = Vec::new();
    for number in 0..20_u8 {
        let scope = CancelScope::new();
        scope.cancel();
        assert!(scope.run(async || server.receive().await).await?.is_none());
        let datagram = server.receive().await?;
        assert_eq!(datagram.data, [number; 500]);
        kept.push(datagram.data);
    }
    // Each owns its bytes, whatever becomes of the others.
    kept.reverse();
    while let Some(mut data) = kept.pop() {
        data.fill(99);
        drop(data);
        for (index, other) in kept.iter().rev().enumerate() {
            assert_eq!(other, &[(20 - kept.len() + index) as u8; 500]);
        }
    }
    Ok(())
}

#[anyio::test]
async fn segments_that_cannot_be_sent_at_once_are_sent_one_by_one() -> Result<()> {
    // A socket that computes no checksums cannot have the kernel cut datagrams.
    let (client, server) = pair().await?;
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int, and the length says so.
    let set = unsafe {
        let fd = std::os::fd::AsRawFd::as_raw_fd(&std::os::fd::AsFd::as_fd(&client));
        libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_NO_CHECK, (&raw const on).cast(), 4)
    };
    assert_eq!(set, 0);
    for _ in 0..2 {
        client.send_segments(numbered(10, 300), 300).await?;
        for number in 0..10_u8 {
            assert_eq!(server.receive().await?.data, [number; 300]);
        }
    }
    Ok(())
}

#[anyio::test]
async fn a_burst_is_received_whole_and_more_than_the_buffers_there_are() -> Result<()> {
    let server = UdpSocketOptions::new().receive_buffer(1 << 22).bind("127.0.0.1:0").await?;
    let client = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let room = server.options().recv_buffer_size()?;
    // Each takes some 768 bytes of the system's room.
    let count = (room / 1_024).min(2_000) as u32;
    let mut receiving = pin!(server.receive());
    assert!(poll_once(receiving.as_mut()).await.is_pending());
    for number in 0..count {
        client.send_to(&number.to_be_bytes(), server.local_addr()?)?;
    }
    // Whoever keeps what came does not stop the others.
    let mut kept = vec![receiving.await?.data];
    while kept.len() < count as usize {
        kept.push(server.receive().await?.data);
    }
    if anyio::current_backend() == Some(anyio::Backend::Uring) {
        assert!(lowlevel::statistics().buffer_shortages > 0, "{:?}", lowlevel::statistics());
    }
    for (number, data) in kept.iter().enumerate() {
        assert_eq!(**data, (number as u32).to_be_bytes());
    }
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
async fn a_port_is_free_as_soon_as_its_socket_is_closed() -> Result<()> {
    for _ in 0..20 {
        let server = UdpSocket::bind("127.0.0.1:0").await?;
        let address = server.local_addr()?;
        let mut receiving = Box::pin(server.receive());
        assert!(poll_once(receiving.as_mut()).await.is_pending());
        Ticker::new().tick().await;
        server.send_to("to itself", address).await?;
        assert_eq!(receiving.await?.data, "to itself");
        server.close().await?;
        drop(std::net::UdpSocket::bind(address)?);
    }
    Ok(())
}

#[anyio::test]
async fn options_are_set() -> Result<()> {
    let options = UdpSocketOptions::new()
        .reuse_address(true)
        .reuse_port(true)
        .broadcast(true)
        .hops(7)
        .traffic_class(0x20)
        .receive_buffer(100_000)
        .send_buffer(90_000)
        .device("lo")
        .whole_packets(true);
    let first = options.bind("127.0.0.1:0").await?;
    let second = options.bind(first.local_addr()?).await?;
    let socket = second.options();
    assert!(socket.broadcast()? && socket.reuse_address()?);
    assert_eq!((socket.ttl_v4()?, socket.tos_v4()?), (7, 0x20));
    assert!(socket.recv_buffer_size()? >= 100_000 && socket.send_buffer_size()? >= 90_000);
    assert_eq!(socket.device()?.as_deref(), Some(&b"lo"[..]));
    second.options().set_broadcast(false)?;
    second.set_hops(9)?;
    assert!(!second.options().broadcast()?);
    assert_eq!(second.options().ttl_v4()?, 9);
    let error = UdpSocket::bind(("127.0.0.1", first.local_addr()?.port())).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let error = UdpSocketOptions::new().device("nosuch0").bind("127.0.0.1:0").await.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ENODEV));
    Ok(())
}

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
async fn sockets_are_taken_over_and_given_away() -> Result<()> {
    let made = std::net::UdpSocket::bind("127.0.0.1:0")?;
    made.set_nonblocking(true)?;
    let server = UdpSocket::from_owned(made.into())?;
    let made = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let Err(error) = ConnectedUdpSocket::from_owned(made.try_clone()?.into()) else { panic!() };
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    made.connect(server.local_addr()?)?;
    assert!(UdpSocket::from_owned(made.try_clone()?.into()).is_err());
    let client = ConnectedUdpSocket::from_owned(made.into())?;
    client.send("x").await?;
    assert_eq!(server.receive().await?.data, "x");
    let made = std::net::TcpListener::bind("127.0.0.1:0")?;
    assert!(UdpSocket::from_owned(made.into()).is_err());
    let bare = std::net::UdpSocket::from(client.into_owned().unwrap());
    bare.send(b"y")?;
    let mut receiving = pin!(server.receive());
    let polled = poll_once(receiving.as_mut()).await;
    if polled.is_pending() {
        receiving.await?;
    }
    Ok(())
}

#[anyio::test]
async fn sockets_that_are_dropped_while_they_are_used_leave_nothing_behind() -> Result<()> {
    for turns in 0..3 {
        let (client, server) = pair().await?;
        let mut receiving = Box::pin(server.receive());
        assert!(poll_once(receiving.as_mut()).await.is_pending());
        for _ in 0..turns {
            Ticker::new().tick().await;
        }
        for _ in 0..5 {
            client.send("x").await?;
        }
        drop(receiving);
        drop(server);
        let mut sending = Box::pin(client.send(vec![0; 100]));
        let _ = poll_once(sending.as_mut()).await;
        drop(sending);
    }
    Ok(())
}

#[test]
fn a_socket_may_outlive_its_run() {
    for backend in test_backends() {
        let kept = RefCell::new(None);
        let statistics = Cell::new(None);
        let run = Builder::new().backend(backend).run(async || {
            let (client, server) = pair().await?;
            let mut receiving = Box::pin(server.receive());
            assert!(poll_once(receiving.as_mut()).await.is_pending());
            Ticker::new().tick().await;
            client.send("x").await?;
            drop(receiving);
            Ticker::new().tick().await;
            statistics.set(Some(lowlevel::statistics()));
            kept.replace(Some((client, server)));
            Result::<()>::Ok(())
        });
        run.unwrap().unwrap();
        assert_eq!(statistics.take().unwrap().stale_completions, 0);
        drop(kept);
    }
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

#[test]
fn without_buffers_for_the_kernel_to_choose_datagrams_are_received_singly() {
    if !test_backends().contains(&anyio::Backend::Uring) {
        return;
    }
    let run = Builder::new().backend(anyio::Backend::Uring).receive_buffers(0).run(async || {
        let server = UdpSocketOptions::new().coalesce(true).ecn(true).bind("127.0.0.1:0").await?;
        let client = UdpSocket::bind("127.0.0.1:0").await?;
        let options = SendOptions::new().segment_size(100).ecn(Ecn::Capable1);
        for round in 0..50_u8 {
            let scope = CancelScope::new();
            let mut cancelled = Box::pin(scope.run(async || server.receive().await));
            assert!(poll_once(cancelled.as_mut()).await.is_pending());
            scope.cancel();
            assert!(cancelled.await?.is_none());
            client.send_with(vec![round; 350], server.local_addr()?, options).await?;
            for size in [100, 100, 100, 50] {
                let datagram = server.receive().await?;
                assert_eq!(datagram.data, vec![round; size]);
                assert_eq!((datagram.from, datagram.ecn), (client.local_addr()?, Some(Ecn::Capable1)));
            }
            client.send_to("", server.local_addr()?).await?;
            assert_eq!(server.receive().await?.data, "");
        }
        let mut abandoned = Box::pin(server.receive());
        assert!(poll_once(abandoned.as_mut()).await.is_pending());
        Ticker::new().tick().await;
        drop(abandoned);
        drop(server);
        Result::<()>::Ok(())
    });
    run.unwrap().unwrap();
}

/// As some programs set it on sockets that they hand over.
#[cfg(target_os = "linux")]
#[anyio::test]
async fn what_the_network_says_of_one_receiver_keeps_nothing_from_another() -> Result<()> {
    use std::os::fd::AsRawFd;

    let plain = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let on: libc::c_int = 1;
    // SAFETY: the option's value is an int, and the length says so.
    let set = unsafe {
        let length = size_of_val(&on) as libc::socklen_t;
        libc::setsockopt(plain.as_raw_fd(), libc::SOL_IP, libc::IP_RECVERR, (&raw const on).cast(), length)
    };
    assert_eq!(set, 0);
    let socket = UdpSocket::from_owned(plain.into())?;
    let living = UdpSocket::bind("127.0.0.1:0").await?;
    let gone = std::net::UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
    for number in 0..20_u8 {
        socket.send_to([number; 3], gone).await?;
        // On the loopback device the news that nobody is there has come by now.
        socket.send_to([number; 3], living.local_addr()?).await?;
        assert_eq!(living.receive().await?.data, [number; 3]);
    }
    Ok(())
}

#[anyio::test]
async fn the_longest_datagram_goes_and_one_byte_more_is_an_error() -> Result<()> {
    for (host, longest) in [("127.0.0.1:0", 65_507), ("[::1]:0", 65_527)] {
        if host.starts_with('[') && !has_v6() {
            continue;
        }
        let server = UdpSocketOptions::new().receive_buffer(1 << 20).bind(host).await?;
        let client = UdpSocketOptions::new().send_buffer(1 << 20).bind(host).await?;
        let to = server.local_addr()?;
        let connected = ConnectedUdpSocket::connect(to).await?;
        let data: Vec<u8> = (0..longest).map(|number| (number % 251) as u8).collect();
        for _ in 0..2 {
            client.send_to(data.clone(), to).await?;
            let datagram = server.receive().await?;
            assert!(datagram.data == data && !datagram.truncated, "{} bytes", datagram.data.len());
            connected.send(data.clone()).await?;
            assert!(server.receive().await?.data == data);
        }
        let too_long = vec![0; longest + 1];
        for (sent, data) in
            [client.send_buf_to(too_long.clone(), to).await, connected.send_buf(too_long.clone()).await]
        {
            let error = sent.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE), "{error:?}");
            assert!(matches!(error, Error::Io(_)) && error.to_string().starts_with("send: "), "{error}");
            assert_eq!(data.len(), longest + 1);
        }
        client.send_to("short", to).await?;
        assert_eq!(server.receive().await?.data, "short");
    }
    Ok(())
}

#[anyio::test]
async fn pieces_of_any_size_are_told_when_they_are_too_long() -> Result<()> {
    let (client, server) = pair().await?;
    // One such piece is too long for any call, and the first goes alone.
    for size in [65_508, 70_000, usize::MAX] {
        let error = client.send_segments(vec![0; 70_001], size).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE), "{size}: {error:?}");
    }
    // Two that fit into no call together.
    client.send_segments(numbered(2, 40_000), 40_000).await?;
    for number in 0..2 {
        assert_eq!(server.receive().await?.data, vec![number; 40_000]);
    }
    client.send_segments("", 5).await?;
    assert_eq!(server.receive().await?.data, "");
    Ok(())
}

/// The kernel says so (`EIO`) where it has to compute checksums that only a device could, or packets are encrypted.
#[test]
fn that_a_device_cannot_cut_datagrams_is_found_out_once() {
    for backend in test_backends() {
        let chaos = Chaos::none().fail(OpKind::SendMessage, 1, libc::EIO);
        Builder::new()
            .backend(backend)
            .chaos(chaos)
            .run(async || -> Result<()> {
                let (client, server) = pair().await?;
                assert!(client.has_segment_offload());
                for _ in 0..2 {
                    client.send_segments(numbered(70, 300), 300).await?;
                    for number in 0..70_u8 {
                        assert_eq!(server.receive().await?.data, [number; 300], "{backend}");
                    }
                    assert!(!client.has_segment_offload());
                }
                // Another socket may go by another device.
                assert!(ConnectedUdpSocket::connect(server.local_addr()?).await?.has_segment_offload());
                Ok(())
            })
            .unwrap()
            .unwrap();
    }
}

#[test]
fn an_error_of_the_device_is_one_where_nothing_was_to_be_cut() {
    for backend in test_backends() {
        let chaos = Chaos::none().fail(OpKind::SendMessage, 1, libc::EIO);
        Builder::new()
            .backend(backend)
            .chaos(chaos)
            .run(async || -> Result<()> {
                let (client, server) = pair().await?;
                let error = client.send_segments([1; 300], 300).await.unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EIO), "{error:?}");
                assert!(client.has_segment_offload());
                client.send_segments([2; 300], 300).await?;
                assert_eq!(server.receive().await?.data, [2; 300]);
                Ok(())
            })
            .unwrap()
            .unwrap();
    }
}

#[anyio::test]
async fn empty_datagrams_are_datagrams() -> Result<()> {
    for coalesce in [false, true] {
        let server =
            UdpSocketOptions::new().coalesce(coalesce).receive_buffer(1 << 21).bind("127.0.0.1:0").await?;
        let address = server.local_addr()?;
        let mut client = ConnectedUdpSocket::connect(address).await?;
        let mut receiving = pin!(server.receive());
        assert!(poll_once(receiving.as_mut()).await.is_pending());
        for number in 0..300 {
            client.send(if number % 3 == 0 { "" } else { "x" }).await?;
        }
        assert_eq!(receiving.await?.data, "");
        for number in 1..300 {
            let datagram = server.receive().await?;
            assert_eq!(&*datagram.data, if number % 3 == 0 { &b""[..] } else { b"x" }, "number {number}");
            assert!(!datagram.truncated && datagram.from == client.local_addr()?);
        }
        // It is not the end of a stream of objects either.
        server.send_to("", client.local_addr()?).await?;
        assert_eq!(UnreliableObjectReceiveStream::receive(&mut client).await?.unwrap(), "");
    }
    Ok(())
}

#[anyio::test]
async fn senders_that_vanish_and_floods_leave_a_socket_as_it_was() -> Result<()> {
    let server = UdpSocketOptions::new().receive_buffer(1 << 21).bind("127.0.0.1:0").await?;
    let address = server.local_addr()?;
    let mut receiving = pin!(server.receive());
    assert!(poll_once(receiving.as_mut()).await.is_pending());
    let mut ports = Vec::new();
    for number in 0..200_u32 {
        let sender = std::net::UdpSocket::bind("127.0.0.1:0")?;
        sender.send_to(&number.to_be_bytes(), address)?;
        ports.push(sender.local_addr()?.port());
    }
    // Each is answered, though none is there any more, and the network says so.
    let mut first = Some(receiving.await?);
    for (number, port) in ports.iter().enumerate() {
        let datagram = match first.take() {
            Some(first) => first,
            None => server.receive().await?,
        };
        assert_eq!(*datagram.data, (number as u32).to_be_bytes());
        assert_eq!(datagram.from.port(), *port);
        server.send_to(datagram.data, datagram.from).await?;
    }
    // Nobody receives what floods a socket. What its buffer has no room for is lost, and nothing else happens.
    let flood = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let before = lowlevel::statistics();
    for _ in 0..3 {
        for _ in 0..5_000 {
            let _ = flood.send_to(&[7; 1_000], address);
        }
        Ticker::new().tick().await;
    }
    assert!(lowlevel::statistics().operations_in_flight <= before.operations_in_flight + 1);
    let mut received = 0;
    while move_on_after(Duration::from_millis(20), server.receive()).await?.is_some() {
        received += 1;
    }
    assert!(received > 128, "{received}");
    flood.send_to(b"the last", address)?;
    assert_eq!(server.receive().await?.data, "the last");
    Ok(())
}

#[anyio::test]
async fn a_group_that_is_joined_twice_is_told_and_left_once() -> Result<()> {
    let loopback = 1;
    let group = IpAddr::from(Ipv4Addr::new(239, 1, 2, 4));
    let member = UdpSocketOptions::new().reuse_address(true).bind("0.0.0.0:0").await?;
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

#[anyio::test]
async fn a_receive_that_was_forgotten_keeps_nothing_but_its_place() -> Result<()> {
    let (client, server) = pair().await?;
    let mut forgotten = Box::pin(server.receive());
    assert!(poll_once(forgotten.as_mut()).await.is_pending());
    std::mem::forget(forgotten);
    client.send("for nobody").await?;
    Ticker::new().tick().await;
    assert!(matches!(server.receive().await, Err(Error::BusyResource(_))));
    server.send_to("still sending", client.local_addr()?).await?;
    assert_eq!(client.receive().await?.data, "still sending");
    let address = server.local_addr()?;
    server.close().await?;
    drop(std::net::UdpSocket::bind(address)?);
    Ok(())
}

#[anyio::test]
async fn who_waits_already_is_told_that_nobody_listens() -> Result<()> {
    for host in ["127.0.0.1:0", "[::1]:0"] {
        if host.starts_with('[') && !has_v6() {
            continue;
        }
        let gone = std::net::UdpSocket::bind(host)?.local_addr()?;
        let client = ConnectedUdpSocket::connect(gone).await?;
        for _ in 0..3 {
            let mut receiving = pin!(client.receive());
            assert!(poll_once(receiving.as_mut()).await.is_pending());
            Ticker::new().tick().await;
            client.send("is there anybody?").await?;
            let error = fail_after(Duration::from_secs(20), receiving).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{error:?}");
        }
        // Several errors are not kept for later.
        let server = std::net::UdpSocket::bind(gone)?;
        server.send_to(b"yes", client.local_addr()?)?;
        assert_eq!(client.receive().await?.data, "yes");
    }
    Ok(())
}
