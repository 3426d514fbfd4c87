//! Datagrams that are sent and received as one.

use super::{numbered, pair, turn_on};
use anyio::{
    Builder, CancelScope, Result,
    net::{ConnectedUdpSocket, Ecn, SendOptions, UdpSocket, UdpSocketOptions},
    testing::{
        chaos::{Chaos, OpKind},
        test_backends,
    },
};

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
async fn datagrams_that_came_as_one_are_received_as_one_and_those_that_are_left_of_one() -> Result<()> {
    let server = UdpSocketOptions::new().coalesce(true).ecn(true).bind("127.0.0.1:0").await?;
    let client = UdpSocket::bind("127.0.0.1:0").await?;
    let mut data = numbered(20, 500);
    data.extend([255; 7]);
    for first in 0..21 {
        let options = SendOptions::new().segment_size(500).ecn(Ecn::Capable0);
        client.send_with(data.clone(), server.local_addr()?, options).await?;
        for number in 0..first {
            assert_eq!(server.receive().await?.data[0], number);
            let scope = CancelScope::new();
            scope.cancel();
            assert!(scope.run(async || server.receive_segments().await).await?.is_none());
        }
        let mut number = first;
        while number < 21 {
            let segments = server.receive_segments().await?;
            assert_eq!((segments.from, segments.ecn), (client.local_addr()?, Some(Ecn::Capable0)));
            assert!(segments.segment_size <= 500 && !segments.truncated);
            assert_eq!(segments.iter().map(<[u8]>::len).sum::<usize>(), segments.data.len());
            for datagram in segments.iter() {
                let expected = if number < 20 { vec![number; 500] } else { vec![255; 7] };
                assert_eq!(datagram, expected, "{number}");
                number += 1;
            }
        }
        assert_eq!(number, 21);
    }
    for text in ["", "single"] {
        client.send_to(text, server.local_addr()?).await?;
        let segments = server.receive_segments().await?;
        assert_eq!(segments.segment_size, text.len());
        assert_eq!(segments.iter().collect::<Vec<_>>(), [text.as_bytes()]);
    }
    Ok(())
}

#[anyio::test]
async fn segments_that_cannot_be_sent_at_once_are_sent_one_by_one() -> Result<()> {
    // A socket that computes no checksums cannot have the kernel cut datagrams.
    let (client, server) = pair().await?;
    turn_on(&client, libc::SOL_SOCKET, libc::SO_NO_CHECK);
    for _ in 0..2 {
        client.send_segments(numbered(10, 300), 300).await?;
        for number in 0..10_u8 {
            assert_eq!(server.receive().await?.data, [number; 300]);
        }
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

/// On each back end, with a device for which the kernel says first that datagrams cannot be cut (`EIO`): where it has to
/// compute checksums that only a device could, or packets are encrypted.
fn with_a_failing_device(test: impl AsyncFn() -> Result<()>) {
    for backend in test_backends() {
        let chaos = Chaos::none().fail(OpKind::SendMessage, 1, libc::EIO);
        Builder::new().backend(backend).chaos(chaos).run(async || test().await).unwrap().unwrap();
    }
}

#[test]
fn that_a_device_cannot_cut_datagrams_is_found_out_once() {
    with_a_failing_device(async || {
        let (client, server) = pair().await?;
        assert!(client.has_segment_offload());
        for _ in 0..2 {
            client.send_segments(numbered(70, 300), 300).await?;
            for number in 0..70_u8 {
                assert_eq!(server.receive().await?.data, [number; 300], "{:?}", anyio::current_backend());
            }
            assert!(!client.has_segment_offload());
        }
        // Another socket may go by another device.
        assert!(ConnectedUdpSocket::connect(server.local_addr()?).await?.has_segment_offload());
        Ok(())
    });
}

#[test]
fn an_error_of_the_device_is_one_where_nothing_was_to_be_cut() {
    with_a_failing_device(async || {
        let (client, server) = pair().await?;
        let error = client.send_segments([1; 300], 300).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EIO), "{error:?}");
        assert!(client.has_segment_offload());
        client.send_segments([2; 300], 300).await?;
        assert_eq!(server.receive().await?.data, [2; 300]);
        Ok(())
    });
}
