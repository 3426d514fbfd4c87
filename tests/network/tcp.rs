//! TCP streams.

use crate::peers::{Blackhole, Ticker, assert_receives, pair, poll_once, refusing, with_std_peer};
use anyio::{
    Error, IoBufMut, Result, current_time, move_on_after,
    net::{TcpListener, TcpStream, attribute},
    sleep,
    streams::{Attributes as _, ByteReceiveStream as _},
    task_group,
};
use socket2::{Domain, SockRef, Socket, Type};
use std::{
    cell::RefCell,
    future::Future,
    io::{self, Read, Write},
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

/// Resets the connection of a peer.
fn reset(peer: std::net::TcpStream) {
    SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
}

#[anyio::test]
async fn bytes_come_through_in_both_directions_and_end() -> Result<()> {
    let (client, server) = pair().await?;
    client.send("ping").await?;
    assert_receives!(server, "ping");
    server.send(vec![1, 2, 3]).await?;
    assert_receives!(client, [1, 2, 3]);
    client.send_eof().await?;
    assert!(server.receive().await?.is_none());
    assert!(server.receive().await?.is_none());
    assert!(matches!(client.send("more").await, Err(Error::ClosedResource)));
    client.send_eof().await?;
    server.send("last").await?;
    server.close().await?;
    assert_receives!(client, "last");
    assert!(client.receive().await?.is_none());
    Ok(())
}

#[anyio::test]
async fn a_megabyte_goes_through_while_it_is_received() -> Result<()> {
    let (client, server) = pair().await?;
    let data: Vec<u8> = (0..1_000_000u32).map(|n| ((n * 7) >> 3) as u8).collect();
    let mut received = Vec::new();
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            client.send(data.clone()).await?;
            client.send_eof().await
        });
        while let Some(chunk) = server.receive().await? {
            received.extend_from_slice(&chunk);
        }
        Ok(())
    })
    .await?;
    assert!(received == data);
    Ok(())
}

#[anyio::test(calm = "it knows how bytes are cut into parts")]
async fn all_that_was_sent_comes_before_the_end() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    peer.write_all(b"all of this")?;
    drop(peer);
    Ticker::new().tick().await;
    assert_eq!(stream.receive_at_most(4).await?.unwrap(), "all ");
    let (result, buffer) = stream.receive_into(vec![0; 3]).await;
    assert_eq!((result?, &*buffer), (3, &b"of "[..]));
    assert_receives!(stream, "this");
    assert!(stream.receive().await?.is_none());
    assert_eq!(stream.receive_into(vec![0; 3]).await.0?, 0);
    assert!(stream.receive_at_most(1).await?.is_none());
    Ok(())
}

#[anyio::test]
async fn a_reset_breaks_the_stream_for_good() -> Result<()> {
    // Whichever way it is found out.
    for way in 0..4 {
        let (stream, peer) = with_std_peer().await?;
        if way == 3 {
            assert!(poll_once(pin!(stream.receive())).await.is_pending());
        }
        reset(peer);
        let error = match way {
            0 | 3 => stream.receive().await.unwrap_err(),
            1 => stream.receive_into(vec![0; 10]).await.0.unwrap_err(),
            _ => stream.send("into the void").await.unwrap_err(),
        };
        assert!(matches!(&error, Error::BrokenResource(_)), "{way}: {error:?}");
        if way != 2 {
            assert_eq!(error.raw_os_error(), Some(libc::ECONNRESET), "{way}");
        }
        for _ in 0..2 {
            let received = stream.receive().await;
            assert!(matches!(received, Err(Error::BrokenResource(_))), "{way}: {received:?}");
            let (received, buffer) = stream.receive_into(vec![0; 10]).await;
            assert!(matches!(received, Err(Error::BrokenResource(_))), "{way}: {received:?}");
            assert_eq!(buffer.len(), 10);
            let received = stream.receive_at_most(1).await;
            assert!(matches!(received, Err(Error::BrokenResource(_))), "{way}: {received:?}");
            assert!(matches!(stream.send("more").await, Err(Error::BrokenResource(_))), "{way}");
        }
    }
    Ok(())
}

#[anyio::test]
async fn what_came_before_a_lost_link_can_be_received_although_a_send_found_out() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    peer.write_all(b"last words")?;
    reset(peer);
    assert!(matches!(stream.send("anybody there?").await, Err(Error::BrokenResource(_))));
    // Linux keeps what has arrived before a reset.
    assert_receives!(stream, "last words");
    assert!(matches!(stream.receive().await, Err(Error::BrokenResource(_))));
    Ok(())
}

#[anyio::test]
async fn sending_to_a_peer_that_has_closed_fails_sooner_or_later_and_the_end_stays_an_end() -> Result<()> {
    let (stream, peer) = with_std_peer().await?;
    drop(peer);
    let mut failure = None;
    for _ in 0..100 {
        if let Err(error) = stream.send("is anybody there?").await {
            failure = Some(error);
            break;
        }
    }
    assert!(matches!(failure, Some(Error::BrokenResource(_))), "{failure:?}");
    assert!(matches!(stream.receive().await, Ok(None)));
    Ok(())
}

#[anyio::test]
async fn closing_with_unread_data_resets_the_peer() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    peer.write_all(b"unread")?;
    stream.close().await?;
    assert_eq!(peer.read(&mut [0; 10]).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    Ok(())
}

#[anyio::test]
async fn only_one_task_receives_and_one_sends() -> Result<()> {
    let (stream, _peer) = with_std_peer().await?;
    let mut receive = pin!(stream.receive());
    assert!(poll_once(receive.as_mut()).await.is_pending());
    let busy = |error: Error| matches!(error, Error::BusyResource("receiving from this stream"));
    assert!(busy(stream.receive().await.unwrap_err()));
    assert!(busy(stream.receive_at_most(1).await.unwrap_err()));
    assert!(busy(stream.receive_into(vec![0; 10]).await.0.unwrap_err()));
    let mut send = Box::pin(stream.send(vec![7; 16 << 20]));
    assert!(poll_once(send.as_mut()).await.is_pending());
    let busy = |error: Error| matches!(error, Error::BusyResource("sending to this stream"));
    assert!(busy(stream.send("x").await.unwrap_err()));
    assert!(busy(stream.send_some("x").await.0.unwrap_err()));
    assert!(busy(stream.send_eof().await.unwrap_err()));
    drop(send);
    stream.send_eof().await?;
    Ok(())
}

#[anyio::test]
async fn a_receive_into_keeps_other_receives_out() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    let mut receive = pin!(stream.receive_into(vec![0; 10]));
    assert!(poll_once(receive.as_mut()).await.is_pending());
    assert!(matches!(stream.receive().await, Err(Error::BusyResource(_))));
    assert!(matches!(stream.receive_into(vec![0; 1]).await.0, Err(Error::BusyResource(_))));
    peer.write_all(b"bytes")?;
    let (result, buffer) = receive.await;
    assert_eq!((result?, &*buffer), (5, &b"bytes"[..]));
    Ok(())
}

#[anyio::test(calm = "it knows how bytes are cut into parts")]
async fn receiving_into_a_part_leaves_the_rest_alone() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    for own in [true, false] {
        if !own {
            // Now there is an operation under way which the next receive takes over.
            assert!(poll_once(pin!(stream.receive())).await.is_pending());
        }
        peer.write_all(b"abcdef")?;
        let (result, part) = stream.receive_into(b"0123456789".to_vec().room(2, 3)).await;
        assert_eq!(result?, 3);
        assert_eq!(part.into_inner(), b"01abc56789");
        assert_receives!(stream, "def");
    }
    Ok(())
}

#[anyio::test]
async fn receiving_exactly_so_much_says_if_the_stream_ends_before() -> Result<()> {
    let (mut stream, mut peer) = with_std_peer().await?;
    peer.write_all(b"1234567")?;
    drop(peer);
    let (result, buffer) = stream.receive_exactly_into(Vec::with_capacity(5).room(0, 5)).await;
    result?;
    assert_eq!(buffer.into_inner(), b"12345");
    let (result, buffer) = stream.receive_exactly_into(Vec::with_capacity(5).room(0, 5)).await;
    assert!(matches!(result, Err(Error::IncompleteRead)));
    assert_eq!(buffer.into_inner(), b"67");
    Ok(())
}

#[anyio::test]
async fn a_buffer_of_gigabytes_is_filled_as_far_as_there_is_something() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    peer.write_all(b"little")?;
    // Nothing of it is touched, but a small machine may not even promise that much.
    let mut room = Vec::new();
    let length =
        (1..=5).rev().map(|gigabytes| gigabytes << 30).find(|&length| room.try_reserve_exact(length).is_ok());
    assert!(length.is_some(), "not even one gigabyte");
    let (result, buffer) = stream.receive_into(room).await;
    assert_eq!((result?, &*buffer), (6, &b"little"[..]));
    Ok(())
}

#[anyio::test]
async fn what_has_nothing_to_do_is_a_checkpoint_all_the_same() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    peer.write_all(b"here already")?;
    Ticker::new().tick().await;
    stream.send("").await?;
    assert_eq!(stream.send_some("").await.0?, 0);
    assert_eq!(stream.receive_into(Vec::new()).await.0?, 0);
    let scope = anyio::CancelScope::new();
    scope.cancel();
    scope
        .run(async || {
            assert!(matches!(stream.send("").await, Err(Error::Cancelled(_))));
            assert!(matches!(stream.send("x").await, Err(Error::Cancelled(_))));
            assert!(matches!(stream.send_some("").await.0, Err(Error::Cancelled(_))));
            assert!(matches!(stream.receive().await, Err(Error::Cancelled(_))));
            assert!(matches!(stream.receive_into(Vec::new()).await.0, Err(Error::Cancelled(_))));
            assert!(matches!(stream.receive_into(vec![0; 5]).await.0, Err(Error::Cancelled(_))));
            assert!(matches!(stream.send_eof().await, Err(Error::Cancelled(_))));
            assert!(matches!(TcpListener::bind("127.0.0.1:0").await, Err(Error::Cancelled(_))));
            assert!(matches!(TcpStream::connect(refusing()).await, Err(Error::Cancelled(_))));
            Ok::<_, Error>(())
        })
        .await?;
    assert_receives!(stream, "here already");
    stream.send_eof().await?;
    scope
        .run(async || {
            assert!(matches!(stream.send_eof().await, Err(Error::Cancelled(_))));
            // Closing takes place in any case.
            stream.close().await
        })
        .await?;
    assert_eq!(peer.read(&mut [0])?, 0);
    Ok(())
}

#[anyio::test]
async fn a_loop_of_receives_that_never_wait_lets_others_run() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    peer.write_all(&[7; 10_000])?;
    Ticker::new().tick().await;
    let turns = RefCell::new(0);
    let others_had_a_turn = task_group(async |tg| -> Result<bool> {
        tg.start_soon(async {
            while !anyio::lowlevel::is_cancelled() {
                *turns.borrow_mut() += 1;
                anyio::lowlevel::checkpoint().await?;
            }
            Ok(())
        });
        for _ in 0..10_000 {
            stream.receive_at_most(1).await?.unwrap();
        }
        let others_had_a_turn = *turns.borrow() > 10;
        tg.cancel();
        Ok(others_had_a_turn)
    })
    .await?;
    assert_eq!(others_had_a_turn, Some(true));
    Ok(())
}

#[anyio::test]
#[should_panic(expected = "at most 0 bytes")]
async fn receiving_at_most_nothing_is_refused() {
    let (stream, _peer) = with_std_peer().await.unwrap();
    let _ = stream.receive_at_most(0).await;
}

#[anyio::test]
async fn a_cancelled_send_some_tells_what_was_sent() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    let mut sent = 0;
    let ended = move_on_after(Duration::from_millis(30), async {
        loop {
            let (result, _) = stream.send_some(vec![7; 100_000]).await;
            sent += result?;
        }
        #[expect(unreachable_code)]
        anyio::Ok(())
    })
    .await?;
    assert!(ended.is_none());
    stream.close().await?;
    let mut received = Vec::new();
    let reader = std::thread::spawn(move || peer.read_to_end(&mut received).map(|_| received.len()));
    assert_eq!(anyio::to_thread::run_sync(|| reader.join().unwrap()).await??, sent);
    Ok(())
}

#[anyio::test]
async fn a_send_that_is_cancelled_half_way_sends_nothing_afterwards() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    let ended = move_on_after(Duration::from_millis(20), stream.send(vec![1; 16 << 20])).await?;
    assert!(ended.is_none());
    // The stream stays usable: what follows comes right behind the part that was sent.
    let reader = std::thread::spawn(move || {
        let mut received = Vec::new();
        peer.read_to_end(&mut received).map(|_| received)
    });
    stream.send(vec![2; 100_000]).await?;
    stream.close().await?;
    let received = anyio::to_thread::run_sync(|| reader.join().unwrap()).await??;
    let first = received.iter().take_while(|&&byte| byte == 1).count();
    assert!(first > 0 && first < 16 << 20);
    assert!(received[first..].iter().all(|&byte| byte == 2));
    assert_eq!(received.len() - first, 100_000);
    Ok(())
}

#[anyio::test]
async fn sends_go_in_order_although_one_was_dropped_half_way() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    {
        let mut send = Box::pin(stream.send(vec![1; 16 << 20]));
        assert!(poll_once(send.as_mut()).await.is_pending());
        Ticker::new().tick().await;
        assert!(poll_once(send.as_mut()).await.is_pending());
    }
    let reader = std::thread::spawn(move || {
        let mut received = Vec::new();
        peer.read_to_end(&mut received).map(|_| received)
    });
    stream.send(vec![2; 1_000_000]).await?;
    stream.close().await?;
    let received = anyio::to_thread::run_sync(|| reader.join().unwrap()).await??;
    let first = received.iter().take_while(|&&byte| byte == 1).count();
    assert!(received[first..].iter().all(|&byte| byte == 2), "bytes of a dropped send came in between");
    assert_eq!(received.len() - first, 1_000_000);
    Ok(())
}

#[anyio::test]
async fn halves_work_apart_and_the_end_of_the_sending_one_is_seen() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    let (mut receiving, sending) = stream.split();
    sending.send("from the half").await?;
    peer.write_all(b"to the half")?;
    assert_receives!(receiving, "to the half");
    let stream = receiving.reunite(sending).unwrap();
    stream.send(" and the whole").await?;
    let (mut receiving, sending) = stream.split();
    drop(sending);
    let mut received = String::new();
    peer.read_to_string(&mut received)?;
    assert_eq!(received, "from the half and the whole");
    peer.write_all(b"an answer all the same")?;
    assert_receives!(receiving, "an answer all the same");
    Ok(())
}

#[anyio::test]
async fn halves_of_different_streams_do_not_reunite() -> Result<()> {
    let ((one, mut peer), (other, _other_peer)) = (with_std_peer().await?, with_std_peer().await?);
    let ((receiving, sending), (_, other_sending)) = (one.split(), other.split());
    let (receiving, other_sending) = receiving.reunite(other_sending).unwrap_err();
    drop(other_sending);
    receiving.reunite(sending).unwrap().send("whole again").await?;
    let mut received = [0; 11];
    peer.read_exact(&mut received)?;
    assert_eq!(&received, b"whole again");
    Ok(())
}

#[anyio::test]
async fn a_refused_connection_says_so_and_where() -> Result<()> {
    let address = refusing();
    let error = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(error.raw_os_error(), Some(libc::ECONNREFUSED));
    assert!(error.to_string().contains(&address.to_string()), "{error}");
    Ok(())
}

#[anyio::test]
async fn an_unreachable_address_says_so() -> Result<()> {
    // A socket that is bound to the loopback cannot leave the machine; class E addresses cannot be reached at all.
    let error = TcpStream::connect("255.255.255.255:9").await.unwrap_err();
    assert!(matches!(error, Error::Io(_)), "{error:?}");
    Ok(())
}

#[anyio::test]
async fn a_name_that_does_not_exist_is_an_error_of_the_resolver() -> Result<()> {
    let error = TcpStream::connect("no-such-host.invalid:80").await.unwrap_err();
    assert!(error.to_string().contains("look up no-such-host.invalid"), "{error}");
    let error = TcpStream::connect("no port").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let error = TcpStream::connect(Vec::new()).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    Ok(())
}

#[anyio::test]
async fn a_name_is_looked_up() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let stream = TcpStream::connect(("localhost", port)).await?;
    assert_eq!(stream.peer_addr()?.port(), port);
    Ok(())
}

/// Where the host has no address of a link there is nothing to connect to.
#[anyio::test]
async fn an_address_of_a_link_names_its_interface_by_number_and_by_name() -> Result<()> {
    let interfaces = std::fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    let Some(line) = interfaces.lines().find(|line| line.starts_with("fe80")) else { return Ok(()) };
    let fields: Vec<&str> = line.split_whitespace().collect();
    let address = std::net::Ipv6Addr::from(u128::from_str_radix(fields[0], 16).unwrap());
    let number = u32::from_str_radix(fields[1], 16).unwrap();
    let listener = TcpListener::bind(std::net::SocketAddrV6::new(address, 0, 0, number)).await?;
    let port = listener.local_addr()?.port();
    for zone in [fields[5], &number.to_string()] {
        let bracketed = TcpStream::connect(format!("[{address}%{zone}]:{port}")).await?;
        let apart = TcpStream::connect((format!("{address}%{zone}"), port)).await?;
        for client in [bracketed, apart] {
            let std::net::SocketAddr::V6(peer) = client.peer_addr()? else { panic!("another family") };
            assert_eq!((*peer.ip(), peer.scope_id()), (address, number));
        }
    }
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn the_next_address_is_tried_as_soon_as_one_has_failed() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let start = current_time();
    let addresses = vec![refusing(), refusing(), listener.local_addr()?];
    let stream = TcpStream::connect(addresses).await?;
    assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    assert!(current_time() - start < Duration::from_millis(240));
    Ok(())
}

#[anyio::test]
async fn the_next_address_is_tried_when_one_does_not_answer() -> Result<()> {
    let blackhole = Blackhole::new();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let start = Instant::now();
    let stream = TcpStream::connect(vec![blackhole.address, listener.local_addr()?]).await?;
    assert_eq!(stream.peer_addr()?, listener.local_addr()?);
    let took = start.elapsed();
    assert!((Duration::from_millis(245)..Duration::from_secs(20)).contains(&took), "{took:?}");
    Ok(())
}

#[anyio::test]
async fn all_addresses_that_fail_are_told_of() -> Result<()> {
    let addresses = vec![refusing(), refusing(), refusing()];
    let error = TcpStream::connect(&addresses).await.unwrap_err();
    let Error::ConnectionFailed(errors) = &error else { panic!("{error:?}") };
    assert_eq!(errors.len(), 3);
    assert!(errors.iter().all(|error| error.kind() == io::ErrorKind::ConnectionRefused));
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let text = error.to_string();
    for (address, error) in addresses.iter().zip(errors.iter()) {
        assert!(error.to_string().starts_with(&format!("connect {address}: ")), "{error}");
        assert!(text.contains(&address.to_string()), "{text}");
    }
    Ok(())
}

#[anyio::test]
async fn an_error_of_connecting_to_a_name_tells_the_name_and_the_addresses() -> Result<()> {
    let port = refusing().port();
    let error = TcpStream::connect(("localhost", port)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(&format!("localhost:{port}")), "{text}");
    assert!(text.contains(&format!("127.0.0.1:{port}")) || text.contains(&format!("[::1]:{port}")), "{text}");
    if let Error::ConnectionFailed(failed) = &error {
        assert_eq!(failed.target(), format!("localhost:{port}"));
    }
    Ok(())
}

#[anyio::test]
async fn connecting_can_be_given_up() -> Result<()> {
    let blackhole = Blackhole::new();
    let limit = Duration::from_millis(20);
    assert!(move_on_after(limit, TcpStream::connect(blackhole.address)).await?.is_none());
    let several = vec![blackhole.address, blackhole.address];
    assert!(move_on_after(limit, TcpStream::connect(several)).await?.is_none());
    Ok(())
}

#[anyio::test]
async fn addresses_and_options_are_those_of_the_socket() -> Result<()> {
    for address in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(address).await?;
        let client = TcpStream::connect(listener.local_addr()?).await?;
        let server = listener.accept().await?;
        assert_eq!(client.peer_addr()?, listener.local_addr()?);
        assert_eq!(client.local_addr()?, server.peer_addr()?);
        for stream in [&client, &server] {
            assert!(stream.nodelay()?);
            stream.set_nodelay(false)?;
            assert!(!stream.nodelay()?);
            stream.options().set_keepalive(true)?;
            assert!(stream.options().keepalive()?);
            assert!(stream.as_fd().try_clone_to_owned().is_ok());
        }
        assert!(format!("{client:?}").contains(&listener.local_addr()?.to_string()));
        client.set_linger(Some(Duration::from_millis(1)))?;
        assert_eq!(client.options().linger()?, Some(Duration::from_secs(1)));
        // Old kernels keep it in 32 bits, in ticks of at most 1000 a second.
        client.set_linger(Some(Duration::MAX))?;
        let longest = client.options().linger()?.map(|linger| linger.as_secs());
        assert!(longest >= Some(u64::from(u32::MAX) / 1000), "{longest:?}");
        client.set_linger(Some(Duration::ZERO))?;
        client.close().await?;
        assert!(matches!(server.receive().await, Err(Error::BrokenResource(_))));
    }
    Ok(())
}

#[cfg(target_os = "linux")]
#[anyio::test(calm = "chaos has options fail")]
async fn what_the_other_side_has_acknowledged_is_known() -> Result<()> {
    let (one, other) = pair().await?;
    let acknowledged = || one.extra::<attribute::Acknowledged>().unwrap();
    let before = acknowledged();
    one.send(vec![1; 30_000]).await?;
    while acknowledged() - before < 30_000 {
        sleep(Duration::from_millis(1)).await?;
    }
    assert_eq!(acknowledged() - before, 30_000);
    drop(other);
    Ok(())
}

#[anyio::test]
async fn a_connected_socket_is_taken_over_whatever_its_mode() -> Result<()> {
    for nonblocking in [false, true] {
        let (ours, mut peer) = with_std_peer().await?;
        let ours = std::net::TcpStream::from(ours.into_owned().unwrap());
        ours.set_nonblocking(nonblocking)?;
        let stream = TcpStream::from_owned(ours.into())?;
        let mut receive = pin!(stream.receive());
        assert!(poll_once(receive.as_mut()).await.is_pending());
        Ticker::new().tick().await;
        peer.write_all(b"hello")?;
        assert_eq!(receive.await?.unwrap(), "hello");
        stream.send("hello yourself").await?;
        let mut received = [0; 14];
        peer.read_exact(&mut received)?;
    }
    Ok(())
}

#[anyio::test]
async fn numbers_of_descriptors_that_were_given_away_can_come_back() -> Result<()> {
    // The same number again and again, each time another socket.
    for _ in 0..20 {
        let (ours, mut peer) = with_std_peer().await?;
        {
            let mut receive = pin!(ours.receive());
            assert!(poll_once(receive.as_mut()).await.is_pending());
            peer.write_all(b"x")?;
            assert_eq!(receive.await?.unwrap(), "x");
        }
        let mut given = std::net::TcpStream::from(ours.into_owned().unwrap());
        given.write_all(b"in blocking mode")?;
        peer.write_all(b"y")?;
        given.read_exact(&mut [0])?;
    }
    Ok(())
}

#[anyio::test]
async fn what_is_no_connected_tcp_socket_is_not_taken_over() -> Result<()> {
    let udp: OwnedFd = std::net::UdpSocket::bind("127.0.0.1:0")?.into();
    let file: OwnedFd = std::fs::File::open("/dev/null")?.into();
    let unix: OwnedFd = std::os::unix::net::UnixStream::pair()?.0.into();
    let unconnected: OwnedFd = Socket::new(Domain::IPV4, Type::STREAM, None)?.into();
    let listening: OwnedFd = std::net::TcpListener::bind("127.0.0.1:0")?.into();
    for descriptor in [udp, file, unix, unconnected, listening] {
        let error = TcpStream::from_owned(descriptor).unwrap_err();
        assert!(matches!(&error, Error::Io(_)) && error.to_string().contains("take over"), "{error:?}");
    }
    Ok(())
}

#[anyio::test]
async fn a_stream_with_a_receive_under_way_is_not_given_away() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    assert!(poll_once(pin!(stream.receive())).await.is_pending());
    let stream = stream.into_owned().unwrap_err();
    peer.write_all(b"two parts")?;
    assert_eq!(stream.receive_at_most(4).await?.unwrap(), "two ");
    let stream = stream.into_owned().unwrap_err();
    assert_receives!(stream, "parts");
    drop(peer);
    assert!(stream.receive().await?.is_none());
    assert!(stream.into_owned().is_ok());
    Ok(())
}

#[anyio::test]
async fn closing_while_a_receive_is_under_way_closes() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    assert!(poll_once(pin!(stream.receive())).await.is_pending());
    Ticker::new().tick().await;
    stream.close().await?;
    assert_eq!(peer.read(&mut [0])?, 0);
    Ok(())
}

#[anyio::test]
async fn urgent_data_does_not_stop_a_stream() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    peer.write_all(b"a")?;
    SockRef::from(&peer).send_out_of_band(b"!")?;
    peer.write_all(b"b")?;
    drop(peer);
    let mut received = Vec::new();
    while let Some(chunk) = stream.receive().await? {
        received.extend_from_slice(&chunk);
    }
    assert_eq!(received, b"ab");
    Ok(())
}

#[anyio::test(calm = "it counts on nothing being late")]
async fn a_receive_is_ready_at_once_when_bytes_are_there() -> Result<()> {
    let (stream, mut peer) = with_std_peer().await?;
    assert!(poll_once(pin!(stream.receive())).await.is_pending());
    peer.write_all(b"x")?;
    Ticker::new().tick().await;
    let mut receive = pin!(stream.receive());
    assert!(matches!(poll_once(receive.as_mut()).await, Poll::Ready(Ok(Some(_)))));
    let address: SocketAddr = stream.local_addr()?;
    assert_eq!(address, peer.peer_addr()?);
    fn is_future<F: Future>(_: &F) {}
    is_future(&stream.receive());
    Ok(())
}

#[anyio::test]
async fn whoever_else_has_a_socket_finds_it_in_blocking_mode() -> Result<()> {
    fn blocks(descriptor: &impl std::os::fd::AsFd) -> bool {
        let number = std::os::fd::AsRawFd::as_raw_fd(&descriptor.as_fd());
        // SAFETY: only flags are read.
        unsafe { libc::fcntl(number, libc::F_GETFL) & libc::O_NONBLOCK == 0 }
    }
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let client = TcpStream::connect(listener.local_addr()?).await?;
    let server = listener.accept().await?;
    client.send("x").await?;
    server.receive().await?;
    assert!(blocks(&listener) && blocks(&client) && blocks(&server));
    Ok(())
}

#[anyio::test]
async fn a_stream_is_closed_although_what_was_done_to_it_was_forgotten() -> Result<()> {
    for turns in 0..2 {
        let (client, server) = pair().await?;
        let ticker = Ticker::new();
        // Nobody reads, so this send would wait for ever.
        let mut sending = Box::pin(client.send(vec![7; 64 << 20]));
        assert!(poll_once(sending.as_mut()).await.is_pending());
        let mut receiving = Box::pin(client.receive());
        assert!(poll_once(receiving.as_mut()).await.is_pending());
        for _ in 0..turns {
            ticker.tick().await;
        }
        std::mem::forget((sending, receiving));
        client.close().await?;
        // What had been sent before has arrived, and then the stream is over.
        while server.receive().await.is_ok_and(|chunk| chunk.is_some()) {}
        server.close().await?;
    }
    Ok(())
}
