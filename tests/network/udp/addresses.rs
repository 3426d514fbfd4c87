//! Addresses and bits that go along with datagrams.

use super::{has_v6, hosts};
use anyio::{
    Result,
    net::{ConnectedUdpSocket, Ecn, SendOptions, UdpSocket, UdpSocketOptions},
};
use std::{
    io::ErrorKind,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

#[anyio::test]
async fn bits_about_congestion_go_both_ways() -> Result<()> {
    for host in hosts() {
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
