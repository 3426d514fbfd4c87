//! What both sides agree on, and what can be asked about it.

use super::{
    authority::{self, LOCALHOST, TRUSTED, client_config},
    connection, shake_hands, wrapped,
};
use anyio::{
    Error, Result, move_on_after,
    net::attribute::{LocalPort, RemotePort},
    streams::{
        Attributes, ByteReceiveStream, ByteSendStream, Split,
        tls::{TlsOptions, TlsStream, attribute},
    },
    task_group,
    testing::{lockstep_stream_pair, memory_stream_pair, wait_all_tasks_blocked},
};
use rustls::{
    HandshakeKind, KeyLog, ProtocolVersion,
    version::{TLS12, TLS13},
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

#[anyio::test]
async fn attributes_tell_what_was_agreed_on_and_what_lies_below() -> Result<()> {
    let (mut client, mut server) = (client_config(), LOCALHOST.server_config());
    client.alpn_protocols = vec![b"first".to_vec(), b"second".to_vec()];
    server.alpn_protocols = vec![b"second".to_vec()];
    let client = TlsOptions::client(client, "localhost")?.standard_compatible(false);
    let (client, server) = shake_hands(connection().await?, &client, &TlsOptions::server(server)).await;
    let (client, server) = (client?, server?);
    for stream in [&client, &server] {
        assert_eq!(stream.extra::<attribute::AlpnProtocol>().unwrap(), b"second");
        assert_eq!(stream.extra::<attribute::Version>(), Some(ProtocolVersion::TLSv1_3));
        assert!(stream.extra::<attribute::Cipher>().is_some());
        assert!(stream.extra::<attribute::KeyExchange>().is_some());
        assert_eq!(stream.extra::<attribute::Handshake>(), Some(HandshakeKind::Full));
    }
    assert_eq!(client.extra::<attribute::ServerSide>(), Some(false));
    assert_eq!(server.extra::<attribute::ServerSide>(), Some(true));
    assert_eq!(client.extra::<attribute::StandardCompatible>(), Some(false));
    assert_eq!(server.extra::<attribute::StandardCompatible>(), Some(true));
    assert_eq!(client.extra::<attribute::ServerName>(), None);
    assert_eq!(server.extra::<attribute::ServerName>().as_deref(), Some("localhost"));
    assert_eq!(
        client.extra::<attribute::PeerCertificates>().unwrap(),
        std::slice::from_ref(&LOCALHOST.certificate)
    );
    assert_eq!(server.extra::<attribute::PeerCertificates>(), None);
    let binding = client.extra::<attribute::ChannelBinding>().unwrap();
    assert_eq!(server.extra::<attribute::ChannelBinding>(), Some(binding));
    assert_ne!(binding, [0; 32]);
    assert_eq!(client.extra::<RemotePort>(), server.extra::<LocalPort>());
    let (receive, send) = client.split();
    assert_eq!(receive.extra::<attribute::ChannelBinding>(), Some(binding));
    assert_eq!(send.extra::<RemotePort>(), server.extra::<LocalPort>());
    Ok(())
}

#[anyio::test]
async fn attributes_are_known_while_something_is_received() -> Result<()> {
    let (client, server) = wrapped(connection().await?).await?;
    task_group(async |tg| -> Result<()> {
        let receiving = tg.start_soon(async { client.receive().await });
        wait_all_tasks_blocked().await?;
        assert_eq!(client.extra::<RemotePort>(), server.extra::<LocalPort>());
        assert_eq!(client.extra::<attribute::Version>(), Some(ProtocolVersion::TLSv1_3));
        assert!(matches!(client.receive().await, Err(Error::BusyResource(_))));
        server.send("x").await?;
        assert_eq!(receiving.await?.unwrap(), "x");
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn a_name_in_another_script_is_certified_in_ascii() -> Result<()> {
    let server = TRUSTED.certify("xn--bcher-kva.example", |_| ());
    let client = TlsOptions::client(client_config(), "Bücher.example.")?;
    let (client, server) =
        shake_hands(memory_stream_pair(), &client, &TlsOptions::server(server.server_config())).await;
    client?;
    assert_eq!(server?.extra::<attribute::ServerName>().as_deref(), Some("xn--bcher-kva.example"));
    Ok(())
}

#[anyio::test]
async fn sessions_are_resumed() -> Result<()> {
    for version in [&TLS12, &TLS13] {
        let (client, server) = authority::options_of(&[version]);
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let (client, server) = shake_hands(connection().await?, &client, &server).await;
            let (client, server) = (client?, server?);
            assert_eq!(client.extra::<attribute::Handshake>(), Some(expected), "{version:?}");
            assert_eq!(server.extra::<attribute::Handshake>(), Some(expected));
            server.send("with the tickets").await?;
            assert_eq!(client.receive().await?.unwrap(), "with the tickets");
        }
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Keys(Mutex<Vec<String>>);

impl KeyLog for Keys {
    fn log(&self, label: &str, _: &[u8], _: &[u8]) {
        self.0.lock().unwrap().push(label.into());
    }
}

#[anyio::test]
async fn keys_are_logged_for_who_wants_them() -> Result<()> {
    let keys = Arc::new(Keys::default());
    let mut client = client_config();
    client.key_log = keys.clone();
    let server = TlsOptions::server(LOCALHOST.server_config());
    let (client, server) =
        shake_hands(memory_stream_pair(), &TlsOptions::client(client, "localhost")?, &server).await;
    client?;
    server?;
    assert!(keys.0.lock().unwrap().iter().any(|label| label == "CLIENT_TRAFFIC_SECRET_0"));
    Ok(())
}

#[anyio::test]
async fn a_server_need_not_wait_until_somebody_takes_its_tickets() -> Result<()> {
    let (client, server) = lockstep_stream_pair();
    let (client_options, server_options) = authority::options();
    let (wrapped, server) = futures_util::join!(
        async {
            let client = TlsStream::wrap(client, &client_options).await?;
            // Nobody receives at this side, so tickets are not taken.
            client.send("first").await?;
            anyio::Ok(client)
        },
        async {
            let server = TlsStream::wrap(server, &server_options).await?;
            assert_eq!(server.receive().await?.unwrap(), "first");
            anyio::Ok(server)
        }
    );
    let (client, server) = (wrapped?, server?);
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { server.send("second").await });
        assert_eq!(client.receive().await?.unwrap(), "second");
        Ok(())
    })
    .await?;
    Ok(())
}

#[anyio::test]
async fn unwrapping_gives_the_stream_back_and_what_came_behind() -> Result<()> {
    let (client, server) = wrapped(connection().await?).await?;
    let (client, server) = futures_util::join!(client.unwrap(), async {
        server.send_eof().await?;
        let (stream, rest) = server.unwrap().await.map_err(|(error, _)| error)?;
        assert!(rest.is_none());
        stream.send("in the clear").await?;
        anyio::Ok(stream)
    });
    let (client, rest) = client.map_err(|(error, _)| error)?;
    let server = server?;
    let mut clear = rest.map_or_else(Vec::new, |rest| rest.to_vec());
    while clear.len() < b"in the clear".len() {
        clear.extend_from_slice(&client.receive().await?.unwrap());
    }
    assert_eq!(clear, b"in the clear");
    let (client, server) = wrapped((client, server)).await?;
    client.send("unread").await?;
    let (error, server) = server.unwrap().await.unwrap_err();
    assert_eq!(
        error.kind(),
        std::io::ErrorKind::InvalidData,
        "bytes that nobody has received are not thrown away"
    );
    assert_eq!(server.receive().await?.unwrap(), "unread");
    Ok(())
}

#[anyio::test(clock = "virtual")]
async fn what_follows_the_last_word_in_one_piece_is_given_back() -> Result<()> {
    let ((client, to_client), (server, to_server)) = (memory_stream_pair(), memory_stream_pair());
    let (client_options, server_options) = authority::options();
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (to_client.split(), to_server.split());
    let (client, server) = task_group(async |tg| -> Result<_> {
        let passing = [
            tg.start_soon(async { pass(&mut from_client, &mut to_server).await }),
            tg.start_soon(async { pass(&mut from_server, &mut to_client).await }),
        ];
        let (client, server) = futures_util::join!(
            TlsStream::wrap(client, &client_options),
            TlsStream::wrap(server, &server_options)
        );
        passing.iter().for_each(|task| task.cancel());
        Ok((client?, server?))
    })
    .await?
    .expect("the group was not cancelled");
    server.send_eof().await?;
    let mut last = Vec::new();
    while let Some(piece) = move_on_after(Duration::from_secs(1), from_server.receive()).await?.flatten() {
        last.extend_from_slice(&piece);
    }
    last.extend_from_slice(b"and in the clear");
    to_client.send(last).await?;
    let (_stream, rest) = client.unwrap().await.map_err(|(error, _)| error)?;
    assert_eq!(rest.unwrap(), "and in the clear");
    Ok(())
}

/// Passes on what comes, for ever.
async fn pass(from: &mut impl ByteReceiveStream, to: &mut impl ByteSendStream) -> Result<()> {
    while let Some(piece) = from.receive().await? {
        to.send(piece).await?;
    }
    Ok(())
}

#[anyio::test]
async fn a_server_that_would_take_early_data_which_nobody_receives_is_refused() -> Result<()> {
    let mut config = LOCALHOST.server_config();
    config.max_early_data_size = 1000;
    let (_client, server) = connection().await?;
    let error = TlsStream::wrap(server, &TlsOptions::server(config)).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.to_string().contains("early data"), "{error}");
    Ok(())
}
