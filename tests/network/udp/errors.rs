//! What the network and the system refuse.

use super::{hosts, pair, turn_on};
use crate::peers::{Ticker, poll_once};
use anyio::{
    Builder, Error, Result, fail_after,
    net::{ConnectedUdpSocket, UdpSocket, UdpSocketOptions},
    testing::{
        chaos::{Chaos, OpKind},
        test_backends,
    },
};
use std::{io::ErrorKind, pin::pin, time::Duration};

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
    turn_on(&server, libc::IPPROTO_IP, libc::IP_RECVERR);
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

/// As some programs set it on sockets that they hand over.
#[cfg(target_os = "linux")]
#[anyio::test]
async fn what_the_network_says_of_one_receiver_keeps_nothing_from_another() -> Result<()> {
    let plain = std::net::UdpSocket::bind("127.0.0.1:0")?;
    turn_on(&plain, libc::SOL_IP, libc::IP_RECVERR);
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
    for host in hosts() {
        let longest = if host.starts_with('[') { 65_527 } else { 65_507 };
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
async fn who_waits_already_is_told_that_nobody_listens() -> Result<()> {
    for host in hosts() {
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

#[test]
fn that_there_is_no_way_to_a_receiver_breaks_no_socket() {
    for backend in test_backends() {
        for number in [libc::ENETUNREACH, libc::EHOSTUNREACH] {
            // A socket for all tries again, in case it was told of another receiver.
            let chaos =
                (1..=4).fold(Chaos::none(), |chaos, nth| chaos.fail(OpKind::SendMessage, nth, number));
            let run = Builder::new().backend(backend).chaos(chaos).run(async || -> Result<()> {
                let server = UdpSocket::bind("127.0.0.1:0").await?;
                let to = server.local_addr()?;
                let client = UdpSocket::bind("127.0.0.1:0").await?;
                let error = client.send_to("lost", to).await.unwrap_err();
                assert!(matches!(error, Error::Io(_)), "{error:?}");
                assert_eq!(error.raw_os_error(), Some(number));
                client.send_to("found", to).await?;
                assert_eq!(server.receive().await?.data, "found");
                Ok(())
            });
            run.unwrap().unwrap();
        }
    }
}
