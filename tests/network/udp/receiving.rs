//! What is received, and what becomes of it when nobody takes it.

use super::pair;
use crate::peers::{Random, Ticker, poll_once};
use anyio::{
    Builder, CancelScope, Error, Result, gather, lowlevel, move_on_after,
    net::{ConnectedUdpSocket, Ecn, SendOptions, UdpSocket, UdpSocketOptions},
    streams::UnreliableObjectReceiveStream,
    task_group,
    testing::test_backends,
};
use std::{cell::RefCell, pin::pin, time::Duration};

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
    let found = anyio::doctor::examine().uring.features;
    let is_repeated = found.iter().any(|found| found.name == "recvmsg again and again" && found.in_use);
    if anyio::current_backend() == Some(anyio::Backend::Uring) && is_repeated {
        assert!(lowlevel::statistics().buffer_shortages > 0, "{:?}", lowlevel::statistics());
    }
    for (number, data) in kept.iter().enumerate() {
        assert_eq!(**data, (number as u32).to_be_bytes());
    }
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
    loop {
        match move_on_after(Duration::from_millis(20), server.receive()).await? {
            Some(datagram) if datagram.data == "the last" => break,
            Some(_) => received += 1,
            // There is room for it when most of what came before was received.
            None => drop(flood.send_to(b"the last", address)?),
        }
    }
    assert!(received > 128, "{received}");
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
