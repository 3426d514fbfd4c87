//! Connections that are cut off, and peers that do not speak TLS.

use super::{authority, connection, is_broken, wrapped};
use anyio::{
    Error, Result,
    streams::{
        ByteReceiveStream, ByteSendStream, Split,
        tls::{TlsOptions, TlsSide, TlsStream},
    },
    task_group,
    testing::memory_stream_pair,
};

/// Passes on so many bytes and then breaks the connection off. Gives the number of those that were passed on.
async fn pass(mut from: impl ByteReceiveStream, mut to: impl ByteSendStream, most: usize) -> Result<usize> {
    let mut passed = 0;
    while passed < most {
        let Some(mut piece) = from.receive().await? else { break };
        piece.truncate(most - passed);
        passed += piece.len();
        if to.send(piece).await.is_err() {
            break;
        }
    }
    Ok(passed)
}

/// What a client gets of a short session of which so many bytes of the server come through, and how many those were.
async fn cut(most: usize, options: &(TlsOptions, TlsOptions)) -> Result<(Result<Vec<u8>>, usize)> {
    let ((client, to_client), (server, to_server)) = (memory_stream_pair(), memory_stream_pair());
    let ((from_client, to_client), (from_server, to_server)) = (to_client.split(), to_server.split());
    let mut passed = 0;
    let mut received = Ok(Vec::new());
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async {
            pass(from_client, to_server, usize::MAX).await?;
            anyio::Ok(())
        });
        tg.start_soon(async {
            passed = pass(from_server, to_client, most).await?;
            anyio::Ok(())
        });
        tg.start_soon(async {
            // It may hear of the end in whatever way.
            if let Ok(server) = TlsStream::wrap(server, &options.1).await {
                let _ = server.send("short").await;
                let _ = server.close().await;
            }
            anyio::Ok(())
        });
        received = async {
            let client = TlsStream::wrap(client, &options.0).await?;
            let mut bytes = Vec::new();
            while let Some(chunk) = client.receive().await? {
                bytes.extend_from_slice(&chunk);
            }
            Ok(bytes)
        }
        .await;
        Ok(())
    })
    .await?;
    Ok((received, passed))
}

async fn check_cuts(step: usize) -> Result<()> {
    let mut config = authority::client_config();
    // A session that is resumed is shorter.
    config.resumption = rustls::client::Resumption::disabled();
    let options = (TlsOptions::client(config, "localhost")?, authority::options().1);
    let (whole, length) = cut(usize::MAX, &options).await?;
    assert_eq!(whole?, b"short");
    // The last records are cut at every byte: the tickets, the bytes, and the word that they are all. Sessions differ by a
    // few bytes, as signatures do.
    let cuts = (0..length - 400).step_by(step).chain(length - 400..length - 12);
    for most in cuts {
        let (received, _) = cut(most, &options).await?;
        assert!(is_broken(&received), "a session cut off after {most} of {length} bytes gives {received:?}");
    }
    Ok(())
}

#[anyio::test]
async fn a_session_that_is_cut_off_anywhere_has_no_good_end() -> Result<()> {
    check_cuts(97).await
}

#[anyio::test]
#[ignore = "takes long: cuts at every byte"]
async fn a_session_that_is_cut_off_at_any_byte_has_no_good_end() -> Result<()> {
    check_cuts(1).await
}

#[anyio::test]
async fn who_does_not_keep_to_the_standard_takes_any_end_for_an_end() -> Result<()> {
    let (client, server) = authority::options();
    let (client, server) =
        super::shake_hands(connection().await?, &client.standard_compatible(false), &server).await;
    let (client, server) = (client?, server?);
    server.send("all").await?;
    drop(server);
    assert_eq!(client.receive().await?.unwrap(), "all");
    assert!(client.receive().await?.is_none());
    let (client, server) = wrapped(connection().await?).await?;
    server.send("all?").await?;
    drop(server);
    assert_eq!(client.receive().await?.unwrap(), "all?");
    let error = client.receive().await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
    assert!(matches!(error, Error::BrokenResource(_)), "{error:?}");
    Ok(())
}

#[anyio::test]
async fn what_is_no_handshake_is_refused_at_once() -> Result<()> {
    let (client_options, server_options) = authority::options();
    let mut noise = Vec::new();
    for n in 0..3000u32 {
        noise.push((n.wrapping_mul(2_654_435_761) >> 21) as u8);
    }
    let garbage: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        &[0; 5],
        &noise,
        // A handshake's record that is longer than any may be.
        &[22, 3, 1, 0xff, 0xff, 1],
        // Bytes of the application before there are keys.
        &[23, 3, 3, 0, 3, b'a', b'b', b'c'],
    ];
    for (options, bytes) in [&client_options, &server_options]
        .into_iter()
        .flat_map(|options| garbage.map(|bytes| (options, bytes)))
    {
        let (stream, peer) = connection().await?;
        peer.send(bytes.to_vec()).await?;
        // The peer stays, and says nothing more.
        match TlsStream::wrap(stream, options).await {
            Err(Error::Tls(error)) => {
                assert_eq!((error.refused_by(), error.in_handshake()), (TlsSide::Here, true), "{bytes:?}");
            }
            result => panic!("{bytes:?} gives {result:?}"),
        }
    }
    let (stream, peer) = connection().await?;
    peer.close().await?;
    assert!(is_broken(&TlsStream::wrap(stream, &server_options).await));
    Ok(())
}

#[anyio::test]
async fn the_largest_record_is_received_and_none_beyond_it() -> Result<()> {
    const LARGEST: usize = 16_384;
    for size in [LARGEST - 1, LARGEST, LARGEST + 1, 5 * LARGEST] {
        let (client, server) = wrapped(connection().await?).await?;
        let data: Vec<u8> = (0..size as u32).map(|n| (n >> 3) as u8).collect();
        let (sent, received) = futures_util::join!(client.send(data.clone()), async {
            let mut received = Vec::new();
            while received.len() < size {
                received.extend_from_slice(&server.receive().await?.unwrap());
            }
            anyio::Ok(received)
        });
        sent?;
        assert!(received? == data);
    }
    // A record that says that it is longer.
    let ((client, raw), (server, to_server)) = (memory_stream_pair(), memory_stream_pair());
    let options = authority::options();
    let ((from_client, mut to_client), (mut from_server, to_server)) = (raw.split(), to_server.split());
    task_group(async |tg| -> Result<()> {
        let passing = tg.start_soon(async { pass(from_client, to_server, usize::MAX).await });
        let serving = tg.start_soon(async { TlsStream::wrap(server, &options.1).await });
        let wrapping = tg.start_soon(async { TlsStream::wrap(client, &options.0).await });
        let flight = from_server.receive().await?.unwrap();
        to_client.send(flight).await?;
        let (client, _server) = (wrapping.await?, serving.await?);
        to_client.send([23, 3, 3, 0x48, 0x01].to_vec()).await?;
        let Err(Error::Tls(error)) = client.receive().await else { panic!("it was not refused") };
        assert_eq!((error.refused_by(), error.in_handshake()), (TlsSide::Here, false));
        // And again: the connection is of no use any more, in either direction.
        assert!(matches!(client.receive().await, Err(Error::Tls(_))));
        assert!(matches!(client.send("x").await, Err(Error::Tls(_))));
        passing.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
