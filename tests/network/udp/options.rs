//! Options of sockets, and sockets made elsewhere.

use crate::peers::poll_once;
use anyio::{
    Result,
    net::{ConnectedUdpSocket, UdpSocket, UdpSocketOptions},
};
use std::{io::ErrorKind, pin::pin};

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
