//! Peers that did a handshake and mean no good, or err.

use super::{
    authority, connection,
    forger::{Forger, Peer, forger_and_server, refusal},
    shake_hands,
};
use anyio::{
    Error, Result, fail_after,
    net::TcpStream,
    streams::tls::{TlsOptions, TlsSide, TlsStream},
    task_group,
};
use futures_util::join;
use rustls::ContentType;
use std::time::Duration;

#[anyio::test]
async fn records_without_bytes_are_no_end_and_many_of_them_are_refused() -> Result<()> {
    let (mut forger, server) = forger_and_server().await?;
    let mut few = Vec::new();
    for _ in 0..30 {
        few.extend(forger.record(ContentType::ApplicationData, b""));
    }
    few.extend(forger.record(ContentType::ApplicationData, b"x"));
    forger.stream.send(few).await?;
    assert_eq!(server.receive().await?.unwrap(), "x");
    for _ in 0..30 {
        forger.send(ContentType::ApplicationData, b"").await?;
    }
    forger.send(ContentType::ApplicationData, b"yz").await?;
    let (count, buffer) = server.receive_into(vec![0; 10]).await;
    assert_eq!(&buffer[..count?], b"yz");
    for _ in 0..40 {
        forger.send(ContentType::ApplicationData, b"").await?;
    }
    assert_eq!(refusal(server.receive().await, "a flood").refused_by(), TlsSide::Here);
    Ok(())
}

#[anyio::test]
async fn alerts_are_heard_or_refused_wherever_they_come() -> Result<()> {
    let cases: [(&[u8], Option<TlsSide>); 6] = [
        // A fatal one.
        (&[2, 40], Some(TlsSide::Peer)),
        // One that the user cancelled, which says nothing.
        (&[1, 90], None),
        // A part of one, one too many, one of an unknown level, and none.
        (&[1], Some(TlsSide::Here)),
        (&[1, 90, 1, 90], Some(TlsSide::Here)),
        (&[9, 0], Some(TlsSide::Peer)),
        (&[], Some(TlsSide::Here)),
    ];
    for (alert, refused_by) in cases {
        let (mut forger, server) = forger_and_server().await?;
        forger.send(ContentType::ApplicationData, b"before").await?;
        forger.send(ContentType::Alert, alert).await?;
        forger.send(ContentType::ApplicationData, b"behind").await?;
        assert_eq!(server.receive().await?.unwrap(), "before", "{alert:?}");
        let next = server.receive().await;
        match refused_by {
            None => assert_eq!(next?.unwrap(), "behind", "{alert:?}"),
            Some(side) => {
                assert_eq!(refusal(next, &format!("{alert:?}")).refused_by(), side, "{alert:?}");
                refusal(server.send("x").await, "sending afterwards");
            }
        }
    }
    // The peer's last word. What it says afterwards is not TLS any more.
    let (mut forger, server) = forger_and_server().await?;
    forger.send(ContentType::Alert, &[1, 0]).await?;
    forger.send(ContentType::ApplicationData, b"behind").await?;
    assert!(server.receive().await?.is_none());
    assert!(server.receive().await?.is_none());
    server.send("still heard").await?;
    Ok(())
}

#[anyio::test]
async fn what_nobody_encrypted_is_never_taken_for_the_peers_word() -> Result<()> {
    let forgeries: [&[u8]; 5] = [
        // The last word, and a fatal alert.
        &[21, 3, 3, 0, 2, 1, 0],
        &[21, 3, 3, 0, 2, 2, 40],
        // Bytes, none of them, and a record of a type that there is not.
        &[23, 3, 3, 0, 3, b'a', b'b', b'c'],
        &[23, 3, 3, 0, 0],
        &[99, 3, 3, 0, 1, 0],
    ];
    for forged in forgeries {
        let (forger, server) = forger_and_server().await?;
        forger.stream.send(forged.to_vec()).await?;
        let error = refusal(server.receive().await, &format!("{forged:?}"));
        assert_eq!((error.refused_by(), error.in_handshake()), (TlsSide::Here, false), "{forged:?}");
    }
    Ok(())
}

#[anyio::test]
async fn a_handshake_within_a_connection_is_refused() -> Result<()> {
    let messages: [(ContentType, &[u8]); 6] = [
        // A request for one, the beginning of one, its end, a ticket for a server, and new keys of no known kind.
        (ContentType::Handshake, &[0, 0, 0, 0]),
        (ContentType::Handshake, &[1, 0, 0, 0]),
        (ContentType::Handshake, &[20, 0, 0, 0]),
        (ContentType::Handshake, &[4, 0, 0, 0]),
        (ContentType::Handshake, &[24, 0, 0, 1, 7]),
        (ContentType::ChangeCipherSpec, &[1]),
    ];
    for (typ, message) in messages {
        let (mut forger, server) = forger_and_server().await?;
        forger.send(typ, message).await?;
        let error = refusal(server.receive().await, &format!("{message:?}"));
        assert_eq!((error.refused_by(), error.in_handshake()), (TlsSide::Here, false), "{message:?}");
    }
    // A message that says that it is long, and whose rest never comes, is refused once it is longer than any.
    let (mut forger, server) = forger_and_server().await?;
    let (received, ()) = join!(server.receive(), async {
        let mut begin = vec![24, 0xff, 0xff, 0xff];
        begin.resize(16_000, 0);
        while forger.send(ContentType::Handshake, &begin).await.is_ok() && forger.sequence < 100 {}
    });
    refusal(received, "a message without an end");
    Ok(())
}

#[anyio::test]
async fn new_keys_are_made_with_each_message_and_a_flood_of_them_is_refused() -> Result<()> {
    let (client, server) = connection().await?;
    let options = authority::options().1;
    let (client, server) =
        join!(Peer::connect(client, authority::client_config()), TlsStream::wrap(server, &options));
    let (mut client, server) = (client?, server?);
    for round in 0..100u8 {
        client.connection.refresh_traffic_keys().unwrap();
        client.send(&[round]).await?;
        assert_eq!(server.receive().await?.unwrap(), [round]);
    }
    // Asked a hundred times, it answers once.
    server.send("x").await?;
    let answer = client.stream.receive().await?.unwrap();
    assert!(answer.len() < 1000, "{}", answer.len());
    for _ in 0..100 {
        client.connection.refresh_traffic_keys().unwrap();
        client.flush().await?;
    }
    assert_eq!(refusal(server.receive().await, "a flood").refused_by(), TlsSide::Here);
    Ok(())
}

#[anyio::test]
async fn many_tickets_are_taken_and_a_chain_longer_than_any_message_is_not() -> Result<()> {
    let mut config = authority::LOCALHOST.server_config();
    config.send_tls13_tickets = 300;
    let client_options = authority::options().0;
    let streams = connection().await?;
    let (client, server) = shake_hands(streams, &client_options, &TlsOptions::server(config)).await;
    let (client, server) = (client?, server?);
    server.send("behind the tickets").await?;
    assert_eq!(client.receive().await?.unwrap(), "behind the tickets");

    let mut chain = vec![authority::LOCALHOST.certificate.clone()];
    chain.resize(400, authority::LOCALHOST.certificate.clone());
    let config = rustls::ServerConfig::builder_with_provider(authority::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, authority::LOCALHOST.key())
        .unwrap();
    let streams = connection().await?;
    let (client, server) = shake_hands(streams, &client_options, &TlsOptions::server(config)).await;
    let error = refusal(client, "the chain");
    assert_eq!((error.refused_by(), error.in_handshake()), (TlsSide::Here, true));
    assert!(server.is_err());
    Ok(())
}

#[anyio::test]
async fn both_sides_send_more_than_fits_and_neither_waits_for_ever() -> Result<()> {
    const SIZE: usize = 20_000_000;
    let (left, right) = super::wrapped(connection().await?).await?;
    let both = async |stream: &TlsStream<TcpStream>| -> Result<()> {
        let receive = async {
            let mut count = 0;
            while let Some(chunk) = stream.receive().await? {
                assert!(chunk.iter().all(|&byte| byte == b'x'));
                count += chunk.len();
            }
            assert_eq!(count, SIZE);
            anyio::Ok(())
        };
        let send = async {
            stream.send(vec![b'x'; SIZE]).await?;
            stream.send_eof().await
        };
        let (received, sent) = join!(receive, send);
        received.and(sent)
    };
    let (one, other) = join!(both(&left), both(&right));
    one.and(other)
}

#[anyio::test]
async fn calls_in_any_order_after_the_end_or_a_failure_do_nothing_or_say_why() -> Result<()> {
    let (client, server) = super::wrapped(connection().await?).await?;
    for _ in 0..2 {
        client.send_eof().await?;
        assert!(matches!(client.send("x").await, Err(Error::ClosedResource)));
        assert!(matches!(client.send_some("x").await.0, Err(Error::ClosedResource)));
    }
    for _ in 0..2 {
        assert!(server.receive().await?.is_none());
        server.send("x").await?;
        assert_eq!(client.receive().await?.unwrap(), "x");
    }
    server.send_eof().await?;
    assert!(client.receive().await?.is_none());
    client.close().await?;
    server.close().await?;

    let (mut forger, server) = forger_and_server().await?;
    forger.send(ContentType::Handshake, &[1, 0, 0, 0]).await?;
    for _ in 0..2 {
        refusal(server.receive().await, "receiving");
        refusal(server.receive_into(vec![0; 10]).await.0, "receiving");
        refusal(server.send("x").await, "sending");
        refusal(server.send_eof().await, "ending");
    }
    refusal(server.close().await, "closing");
    Ok(())
}

#[anyio::test]
async fn closing_waits_for_the_answer_and_lets_nothing_break_what_was_sent() -> Result<()> {
    for size in [0, 100, 1_000_000] {
        let (client, server) = super::wrapped(connection().await?).await?;
        task_group(async |tg| -> Result<()> {
            tg.start_soon(async {
                server.send("bye").await?;
                server.close().await
            });
            // With bytes that nobody receives the system would break the connection off, and "bye" be lost.
            client.send(vec![b'x'; size]).await?;
            anyio::sleep(Duration::from_millis(5)).await?;
            assert_eq!(client.receive().await?.unwrap(), "bye");
            assert!(client.receive().await?.is_none());
            client.close().await
        })
        .await?;
    }
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_peer_that_was_told_and_does_not_answer_is_no_error() -> Result<()> {
    for limit in [None, Some(Duration::from_secs(20)), Some(Duration::ZERO)] {
        let (mut client, server) = authority::options();
        if let Some(limit) = limit {
            client = client.answer_limit(limit);
        }
        let (client, server) = shake_hands(anyio::testing::memory_stream_pair(), &client, &server).await;
        let (client, server) = (client?, server?);
        let began = anyio::current_time();
        client.close().await?;
        assert_eq!(anyio::current_time() - began, limit.unwrap_or(Duration::from_secs(1)));
        assert!(server.receive().await?.is_none());
    }
    // And one whose end comes without a word.
    let (client, server) = super::wrapped(anyio::testing::memory_stream_pair()).await?;
    drop(server);
    assert!(client.close().await.is_err());
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn a_peer_that_was_told_and_sends_on_and_on_does_not_hold_closing_up() -> Result<()> {
    let (client, server) = super::wrapped(anyio::testing::memory_stream_pair()).await?;
    let began = anyio::current_time();
    anyio::task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            while server.send("more").await.is_ok() {
                anyio::sleep(Duration::from_millis(10)).await?;
            }
            anyio::Ok(())
        });
        client.close().await
    })
    .await?;
    let took = anyio::current_time() - began;
    // The peer hears of it when it sends next.
    assert!(took >= Duration::from_secs(1) && took < Duration::from_millis(1020), "{took:?}");
    Ok(())
}

#[anyio::test]
async fn a_client_that_asks_for_another_handshake_by_tls_1_2_is_told_that_there_is_none() -> Result<()> {
    use rustls::version::TLS12;
    let (client, server) = connection().await?;
    let options = authority::options_of(&[&TLS12]).1;
    let config = authority::client_config_of(&[&TLS12]);
    let (client, server) = join!(Peer::connect(client, config), TlsStream::wrap(server, &options));
    let (mut forger, server) = (Forger::new(client?), server?);
    let asks = |forger: &mut Forger| {
        // A ClientHello without anything in it but what has to be.
        let mut hello = vec![1, 0, 0, 41, 3, 3];
        hello.extend([7; 32]);
        hello.extend([0, 0, 2, 0xc0, 0x2b, 1, 0]);
        forger.record(ContentType::Handshake, &hello)
    };
    let hello = asks(&mut forger);
    forger.stream.send(hello).await?;
    let receiving = async { server.receive().await };
    let answer = async {
        // The server has nothing to send, and answers all the same.
        let alert = fail_after(Duration::from_secs(20), forger.stream.receive()).await?.unwrap();
        assert_eq!(alert[0], 21, "an alert");
        let again = asks(&mut forger);
        forger.stream.send(again).await
    };
    let (received, answered) = join!(receiving, answer);
    answered?;
    refusal(received, "asking again");
    Ok(())
}

/// A record of the largest size that says nothing but that the peer sends no more, by its padding.
fn padded_last_word(forger: &mut Forger) -> Vec<u8> {
    let mut padded = vec![1, 0, 21];
    padded.resize(16_384, 0);
    forger.record(ContentType::Unknown(0), &padded)
}

#[anyio::test]
async fn what_follows_a_last_word_of_whatever_length_is_given_back() -> Result<()> {
    for (before, behind) in [(0, 1), (1, 3), (2, 5), (3, 8), (4, 10_000), (8, 60_000)] {
        let (mut forger, server) = forger_and_server().await?;
        let mut bytes = Vec::new();
        for _ in 0..before {
            bytes.extend(forger.record(ContentType::ApplicationData, &[b'x'; 16_384]));
        }
        bytes.extend(padded_last_word(&mut forger));
        let clear: Vec<u8> = (0..behind).map(|n| n as u8).collect();
        bytes.extend(&clear);
        let Forger { stream, .. } = forger;
        // What is left of a piece may be the beginning of a header, or all of what follows.
        let received = task_group(async |tg| -> Result<_> {
            tg.start_soon(async {
                stream.send(bytes).await?;
                stream.send_eof().await
            });
            for _ in 0..before {
                let mut left = 16_384;
                while left > 0 {
                    let piece = server.receive_at_most(left).await?.unwrap();
                    assert!(piece.iter().all(|&byte| byte == b'x'));
                    left -= piece.len();
                }
            }
            let (below, rest) = server.unwrap().await.map_err(|(error, _)| error)?;
            let mut received = rest.map(|rest| rest.to_vec()).unwrap_or_default();
            while let Some(chunk) = below.receive().await? {
                received.extend_from_slice(&chunk);
            }
            Ok(received)
        })
        .await?
        .expect("the group was not cancelled");
        assert!(received == clear, "{} of {behind} bytes behind {before} records", received.len());
    }
    Ok(())
}

#[anyio::test]
async fn records_of_all_sizes_come_whole_in_whatever_pieces() -> Result<()> {
    let (mut forger, server) = forger_and_server().await?;
    let (mut bytes, mut expected) = (Vec::new(), Vec::new());
    let mut random = 1u32;
    for index in 0..400 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let size = match index % 4 {
            0 | 1 => 16_384,
            2 => random as usize % 16_385,
            _ => random as usize % 300,
        };
        let payload: Vec<u8> = (0..size as u32).map(|n| (n ^ random) as u8).collect();
        bytes.extend(forger.record(ContentType::ApplicationData, &payload));
        expected.extend(payload);
    }
    let last = forger.record(ContentType::Alert, &[1, 0]);
    bytes.extend(last);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            let mut sent = 0;
            while sent < bytes.len() {
                // Now and then a moment passes, so that the receiver has taken all that was there.
                let end = bytes.len().min(sent + [7, 16_406, 100_000, 1_000_000][sent % 4]);
                forger.stream.send(bytes[sent..end].to_vec()).await?;
                anyio::lowlevel::checkpoint().await?;
                sent = end;
            }
            anyio::Ok(())
        });
        let (mut received, mut buffer) = (Vec::new(), vec![0; 10_000]);
        loop {
            let (count, filled) = server.receive_into(buffer).await;
            buffer = filled;
            match count? {
                0 => break,
                count => received.extend_from_slice(&buffer[..count]),
            }
            buffer.resize(10_000, 0);
        }
        assert!(received == expected, "{} of {} bytes", received.len(), expected.len());
        Ok(())
    })
    .await?;
    Ok(())
}
