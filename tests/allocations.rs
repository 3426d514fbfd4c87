//! Nothing is allocated for an echo once everything is warm, and little is held for a connection that is idle.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]

#[path = "peers/counting.rs"]
mod counting;
mod peers;

use anyio::{
    CancelScope, Result,
    lowlevel::checkpoint,
    net::{ConnectedUdpSocket, Ecn, SendOptions, TcpStream, UdpSocket, UdpSocketOptions, UnixStream},
    streams::tls::{TlsOptions, TlsStream},
    task_group,
};
use counting::{ALLOCATIONS, HELD};
use rustls::{ClientConfig, RootCertStore, ServerConfig, pki_types::PrivateKeyDer};
use std::{cell::Cell, sync::Arc};

async fn echo(stream: &TcpStream) -> Result<()> {
    while let Some(chunk) = stream.receive().await? {
        stream.send(chunk).await?;
    }
    Ok(())
}

/// Lets so many connections, each served by a child of one group, echo for a while; counts allocations in the second half.
async fn allocations_of_echoes(connections: usize) -> Result<u64> {
    let mut pairs = Vec::new();
    for _ in 0..connections {
        pairs.push(peers::pair().await?);
    }
    let counted = Cell::new(0);
    let scope = CancelScope::new();
    scope
        .run(async || {
            anyio::task_group(async |tg| -> Result<()> {
                for (_, server) in &pairs {
                    tg.start_soon(echo(server));
                }
                for round in 0..200 {
                    if round == 100 {
                        counted.set(ALLOCATIONS.get());
                    }
                    for (client, _) in &pairs {
                        client.send("a message of some bytes").await?;
                    }
                    for (client, _) in &pairs {
                        assert_eq!(client.receive().await?.unwrap(), "a message of some bytes");
                    }
                }
                counted.set(ALLOCATIONS.get() - counted.get());
                scope.cancel();
                Ok(())
            })
            .await
        })
        .await?;
    Ok(counted.get())
}

#[anyio::test]
async fn a_lone_connection_allocates_nothing() -> Result<()> {
    assert_eq!(allocations_of_echoes(1).await?, 0);
    Ok(())
}

#[anyio::test]
async fn a_few_connections_allocate_nothing() -> Result<()> {
    assert_eq!(allocations_of_echoes(20).await?, 0);
    Ok(())
}

#[anyio::test]
async fn many_connections_allocate_nothing() -> Result<()> {
    assert_eq!(allocations_of_echoes(150).await?, 0);
    Ok(())
}

#[anyio::test]
async fn receiving_into_one_buffer_again_and_again_allocates_nothing() -> Result<()> {
    let (client, server) = peers::pair().await?;
    let mut buffer = Vec::with_capacity(64);
    let mut before = 0;
    for round in 0..100 {
        if round == 50 {
            before = ALLOCATIONS.get();
        }
        client.send("a message of some bytes").await?;
        let (result, filled) = server.receive_into(buffer).await;
        assert_eq!(result?, 23);
        let (result, sent) = server.send_buf(filled).await;
        result?;
        buffer = sent;
        client.receive().await?.unwrap();
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    Ok(())
}

#[anyio::test]
async fn datagrams_to_and_fro_allocate_nothing() -> Result<()> {
    let server = UdpSocket::bind("127.0.0.1:0").await?;
    let clients = [UdpSocket::bind("127.0.0.1:0").await?, UdpSocket::bind("127.0.0.1:0").await?];
    let connected = ConnectedUdpSocket::connect(server.local_addr()?).await?;
    let mut before = 0;
    for round in 0..200 {
        if round == 100 {
            before = ALLOCATIONS.get();
        }
        for client in &clients {
            client.send_to("a message of some bytes", server.local_addr()?).await?;
        }
        connected.send("a message of some bytes").await?;
        for _ in 0..3 {
            let datagram = server.receive().await?;
            server.send_to(datagram.data, datagram.from).await?;
        }
        for client in &clients {
            assert_eq!(client.receive().await?.data, "a message of some bytes");
        }
        assert_eq!(connected.receive().await?.data, "a message of some bytes");
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    Ok(())
}

#[anyio::test]
async fn datagrams_that_are_sent_and_received_together_allocate_nothing() -> Result<()> {
    let server = UdpSocketOptions::new().coalesce(true).ecn(true).bind("127.0.0.1:0").await?;
    let client = UdpSocket::bind("127.0.0.1:0").await?;
    let address = server.local_addr()?;
    let options = SendOptions::new().segment_size(100).ecn(Ecn::Capable0);
    let mut data = vec![7; 1_000];
    let mut before = 0;
    for round in 0..200 {
        if round == 100 {
            before = ALLOCATIONS.get();
        }
        let (sent, buffer) = client.send_buf_with(data, address, options).await;
        sent?;
        data = buffer;
        for _ in 0..10 {
            assert_eq!(server.receive().await?.data, [7; 100]);
        }
    }
    assert_eq!(ALLOCATIONS.get() - before, 0);
    Ok(())
}

#[anyio::test]
async fn lists_of_datagrams_and_datagrams_of_several_tasks_allocate_nothing() -> Result<()> {
    const TASKS: usize = 10;
    let server = UdpSocketOptions::new().coalesce(true).bind("127.0.0.1:0").await?;
    let client = UdpSocket::bind("127.0.0.1:0").await?;
    let address = server.local_addr()?;
    let (mut questions, mut answers) = (Vec::with_capacity(TASKS), Vec::with_capacity(TASKS));
    let (answered_rounds, before) = (Cell::new(0), Cell::new(0));
    task_group(async |tg| -> Result<()> {
        for _ in 0..TASKS {
            tg.start_soon(async {
                let mut data = vec![7; 100];
                for round in 0..200 {
                    let sent;
                    (sent, data) = client.send_buf_to(data, address).await;
                    sent?;
                    // The next when all of this round were answered.
                    while answered_rounds.get() <= round {
                        checkpoint().await?;
                    }
                }
                Ok(())
            });
        }
        for round in 0..200 {
            if round == 100 {
                before.set(ALLOCATIONS.get());
            }
            let mut received = 0;
            while received < TASKS {
                received += server.receive_many(&mut questions, TASKS).await?;
            }
            answers.extend(questions.drain(..).map(|question| (question.data, question.from)));
            server.send_many(&mut answers).await?;
            let mut answered = 0;
            while answered < TASKS {
                answered += client.receive_segments().await?.iter().len();
            }
            answered_rounds.set(round + 1);
        }
        assert_eq!(ALLOCATIONS.get() - before.get(), 0);
        Ok(())
    })
    .await?;
    Ok(())
}

fn tls_options() -> (TlsOptions, TlsOptions) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    (TlsOptions::client(client, "localhost").unwrap(), TlsOptions::server(server))
}

#[anyio::test]
async fn an_idle_tls_connection_holds_less_than_20_kib() -> Result<()> {
    const CONNECTIONS: usize = 100;
    let (client_options, server_options) = tls_options();
    let mut connections = Vec::with_capacity(CONNECTIONS + 1);
    let mut before = 0;
    // The first warms everything up.
    for number in 0..=CONNECTIONS {
        if number == 1 {
            before = HELD.get();
        }
        let (client, server) = UnixStream::pair()?;
        let (client, server) = futures_util::join!(
            TlsStream::wrap(client, &client_options),
            TlsStream::wrap(server, &server_options)
        );
        let (client, server) = (client?, server?);
        for (from, to) in [(&client, &server), (&server, &client)] {
            from.send(vec![7; 16_384]).await?;
            let mut received = 0;
            while received < 16_384 {
                received += to.receive().await?.unwrap().len();
            }
        }
        connections.push((client, server));
    }
    let each = (HELD.get() - before) / (2 * CONNECTIONS as i64);
    assert!(each < 20 * 1024, "a side of a connection holds {each} bytes");
    Ok(())
}
