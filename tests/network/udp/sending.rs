//! What several tasks send at a time.

use super::{pair, turn_on};
use crate::peers::{Random, Ticker, poll_once};
use anyio::{
    CancelScope, Result,
    lowlevel::checkpoint,
    net::{UdpSocket, UdpSocketOptions},
    task_group,
};
use std::{cell::RefCell, io::ErrorKind};

#[anyio::test]
async fn what_many_tasks_send_arrives_whole_and_in_the_order_of_each() -> Result<()> {
    const TASKS: usize = 40;
    const EACH: usize = 50;
    let sockets = [UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?];
    let server = UdpSocketOptions::new().receive_buffer(1 << 22).bind("127.0.0.1:0").await?;
    let address = server.local_addr()?;
    task_group(async |tg| -> Result<()> {
        for task in 0..TASKS {
            let socket = &sockets[task % 2];
            tg.start_soon(async move {
                for number in 0..EACH {
                    let mut data = vec![task as u8; 2 + task];
                    data[1] = number as u8;
                    let (sent, data) = socket.send_buf_to(data, address).await;
                    sent?;
                    assert_eq!((data.len(), data[1]), (2 + task, number as u8));
                }
                Ok(())
            });
        }
        let mut next = [0; TASKS];
        for _ in 0..TASKS * EACH {
            let datagram = server.receive().await?;
            let task = datagram.data[0] as usize;
            assert_eq!(datagram.from, sockets[task % 2].local_addr()?);
            assert_eq!((datagram.data.len(), datagram.data[1]), (2 + task, next[task]));
            next[task] += 1;
        }
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn one_that_cannot_be_sent_is_told_to_its_own_task() -> Result<()> {
    let (client, server) = pair().await?;
    for round in 0..5_u8 {
        let refused = RefCell::new(Vec::new());
        task_group(async |tg| -> Result<()> {
            for task in 0..10_u8 {
                let (client, refused) = (&client, &refused);
                tg.start_soon(async move {
                    let length = if task % 3 == 1 { 70_000 } else { 5 };
                    match client.send(vec![task; length]).await {
                        Ok(()) => assert_eq!(length, 5),
                        Err(error) => {
                            assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE), "{error:?}");
                            refused.borrow_mut().push(task);
                        }
                    }
                    Ok(())
                });
            }
            Ok(())
        })
        .await?;
        let mut refused = refused.into_inner();
        refused.sort_unstable();
        assert_eq!(refused, [1, 4, 7], "round {round}");
        let mut received = Vec::new();
        for _ in 0..7 {
            let datagram = server.receive().await?;
            assert_eq!(datagram.data, [datagram.data[0]; 5]);
            received.push(datagram.data[0]);
        }
        received.sort_unstable();
        assert_eq!(received, [0, 2, 3, 5, 6, 8, 9]);
    }
    Ok(())
}

#[anyio::test]
async fn a_list_is_sent_in_order_and_up_to_what_cannot_be_sent() -> Result<()> {
    let server = UdpSocketOptions::new().receive_buffer(1 << 22).bind("127.0.0.1:0").await?;
    let other = UdpSocket::bind("127.0.0.1:0").await?;
    let client = UdpSocket::bind("127.0.0.1:0").await?;
    let address = server.local_addr()?;
    let mut received = Vec::new();
    for count in [0, 1, 2, 31, 32, 33, 200] {
        let mut list: Vec<_> = (0..count).map(|number| (vec![number as u8; number], address)).collect();
        list.push((b"to another".to_vec(), other.local_addr()?));
        list.push((vec![0; 70_000], address));
        list.push((b"behind".to_vec(), address));
        let error = client.send_many(&mut list).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMSGSIZE), "{error:?}");
        assert_eq!((list.len(), list[0].0.len()), (2, 70_000));
        list.remove(0);
        client.send_many(&mut list).await?;
        assert!(list.is_empty());
        assert_eq!(other.receive().await?.data, "to another");
        while received.len() < count + 1 {
            let before = received.len();
            let more = server.receive_many(&mut received, 7).await?;
            assert!((1..=7).contains(&more) && before + more == received.len());
        }
        let last = received.pop().unwrap();
        assert_eq!((&*last.data, last.from), (&b"behind"[..], client.local_addr()?));
        for (number, datagram) in received.drain(..).enumerate() {
            assert_eq!(datagram.data, vec![number as u8; number]);
        }
    }
    Ok(())
}

#[anyio::test]
async fn a_list_is_neither_sent_nor_received_in_a_cancelled_scope() -> Result<()> {
    let (client, server) = pair().await?;
    let mut list = vec!["one", "two"];
    let mut received = Vec::new();
    let scope = CancelScope::new();
    scope.cancel();
    assert!(scope.run(async || client.send_many(&mut list).await).await?.is_none());
    assert_eq!(list, ["one", "two"]);
    client.send_many(&mut list).await?;
    let scope = CancelScope::new();
    scope.cancel();
    assert!(scope.run(async || server.receive_many(&mut received, 9).await).await?.is_none());
    assert!(received.is_empty());
    while received.len() < 2 {
        server.receive_many(&mut received, 9).await?;
    }
    assert_eq!((&*received[0].data, &*received[1].data), (&b"one"[..], &b"two"[..]));
    Ok(())
}

#[anyio::test(ordered = "others have their turn after a part of the list")]
async fn a_list_that_is_cancelled_in_its_midst_keeps_what_was_not_sent() -> Result<()> {
    const COUNT: usize = 400;
    let server = UdpSocketOptions::new().receive_buffer(1 << 22).bind("127.0.0.1:0").await?;
    let client = UdpSocket::bind("127.0.0.1:0").await?;
    let address = server.local_addr()?;
    let mut list: Vec<_> = (0..COUNT as u32).map(|number| (number.to_be_bytes(), address)).collect();
    let scope = CancelScope::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            assert!(scope.run(async || client.send_many(&mut list).await).await?.is_none());
            Ok(())
        });
        // It lets others have their turn.
        checkpoint().await?;
        scope.cancel();
        Ok(())
    })
    .await?;
    assert!((1..COUNT).contains(&list.len()), "{}", list.len());
    let sent = COUNT - list.len();
    for number in 0..sent as u32 {
        assert_eq!(server.receive().await?.data, number.to_be_bytes());
    }
    assert!(list.iter().map(|(number, _)| u32::from_be_bytes(*number)).eq(sent as u32..COUNT as u32));
    client.send_many(&mut list).await?;
    assert_eq!(server.receive().await?.data, (sent as u32).to_be_bytes());
    Ok(())
}

#[anyio::test]
async fn what_the_network_says_of_one_does_not_keep_a_list_from_being_sent() -> Result<()> {
    let server = UdpSocket::bind("127.0.0.1:0").await?;
    let client = UdpSocket::bind("127.0.0.1:0").await?;
    let nobody = {
        let gone = std::net::UdpSocket::bind("127.0.0.1:0")?;
        gone.local_addr()?
    };
    turn_on(&client, libc::IPPROTO_IP, libc::IP_RECVERR);
    for _ in 0..10 {
        let address = server.local_addr()?;
        let mut list = vec![("lost", nobody), ("one", address), ("lost", nobody), ("two", address)];
        client.send_many(&mut list).await?;
        assert_eq!(server.receive().await?.data, "one");
        assert_eq!(server.receive().await?.data, "two");
    }
    Ok(())
}

#[anyio::test]
async fn a_send_that_is_dropped_before_its_turn_sends_none_beside_it() -> Result<()> {
    let client = UdpSocket::bind("127.0.0.1:0").await?;
    let server = std::net::UdpSocket::bind("127.0.0.1:0")?;
    server.set_nonblocking(true)?;
    let address = server.local_addr()?;
    // In another task's name, so that this one is not the last that has sent.
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { client.send_to("before", address).await });
        Ok(())
    })
    .await?;
    let mut room = [0; 16];
    assert_eq!(server.recv(&mut room)?, "before".len());
    let mut dropped = Box::pin(client.send_to("dropped", address));
    let mut sent = Box::pin(client.send_to("sent", address));
    assert!(poll_once(dropped.as_mut()).await.is_pending());
    assert!(poll_once(sent.as_mut()).await.is_pending());
    drop(dropped);
    assert_eq!(server.recv(&mut room).unwrap_err().kind(), ErrorKind::WouldBlock);
    sent.await?;
    assert_eq!(server.recv(&mut room)?, "sent".len());
    assert_eq!(server.recv(&mut room).unwrap_err().kind(), ErrorKind::WouldBlock);
    Ok(())
}

/// Begins a send as one of several, which does not happen before the end of the turn, and does to it what is asked.
#[anyio::test]
async fn a_send_that_is_given_up_is_sent_whole_or_not_at_all() -> Result<()> {
    let (client, server) = pair().await?;
    let mut random = Random::new(11);
    let ticker = Ticker::new();
    let mut told = 0;
    for number in 0..200_u32 {
        // In another task's name, so that this one is not the last that has sent.
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async { client.send("between").await });
            Ok(())
        })
        .await?;
        assert_eq!(server.receive().await?.data, "between");
        let data = number.to_be_bytes();
        let scope = CancelScope::new();
        let mut sending = Box::pin(scope.run(async || client.send(data).await));
        let first = poll_once(sending.as_mut()).await;
        assert!(first.is_pending(), "it waits for the turn");
        if random.below(2) == 0 {
            ticker.tick().await;
        }
        if random.below(2) == 0 {
            drop(sending);
        } else {
            scope.cancel();
            if sending.await?.is_some() {
                assert_eq!(server.receive().await?.data, data);
                told += 1;
            }
        }
        client.send("end").await?;
        let mut datagram = server.receive().await?;
        if datagram.data == data {
            datagram = server.receive().await?;
        }
        assert_eq!(datagram.data, "end");
    }
    assert!(told > 0, "some were sent before they were cancelled");
    Ok(())
}
