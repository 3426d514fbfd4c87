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

async fn tls_pair(
    (client_options, server_options): &(TlsOptions, TlsOptions),
) -> Result<(TlsStream<UnixStream>, TlsStream<UnixStream>)> {
    let (client, server) = UnixStream::pair()?;
    let (client, server) =
        futures_util::join!(TlsStream::wrap(client, client_options), TlsStream::wrap(server, server_options));
    Ok((client?, server?))
}

#[anyio::test]
async fn an_idle_tls_connection_holds_less_than_20_kib() -> Result<()> {
    const CONNECTIONS: usize = 100;
    let options = tls_options();
    let mut connections = Vec::with_capacity(CONNECTIONS + 1);
    let mut before = 0;
    // The first warms everything up.
    for number in 0..=CONNECTIONS {
        if number == 1 {
            before = HELD.get();
        }
        let (client, server) = tls_pair(&options).await?;
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

/// What a client may send before anybody knows who it is.
fn floods() -> [(&'static str, Vec<u8>); 4] {
    let record = |typ: u8, payload: &[u8]| {
        let mut record = vec![typ, 3, 1];
        record.extend((payload.len() as u16).to_be_bytes());
        record.extend(payload);
        record
    };
    // The beginning of a message that is as long as any may be.
    let mut hello = vec![1, 0, 0xff, 0];
    hello.resize(65_000, 0);
    [
        ("nothing", Vec::new()),
        ("a part of a header", vec![22, 3]),
        (
            "a long message in long records",
            hello.chunks(16_000).flat_map(|piece| record(22, piece)).collect(),
        ),
        // More of them are refused, as their headers count, too.
        (
            "a long message in short records",
            hello[..10_500].chunks(1).flat_map(|byte| record(22, byte)).collect(),
        ),
    ]
}

/// How many bytes a server holds for each of so many clients that begin a handshake in this way and do not go on.
#[cfg(target_os = "linux")]
async fn held_in_handshakes(clients: usize, said: &[u8]) -> Result<i64> {
    use anyio::{Error, streams::tls::TlsHandshake, testing::wait_all_tasks_blocked};
    use std::os::fd::{AsFd, AsRawFd};

    let options = tls_options().1;
    let mut pairs = Vec::new();
    for _ in 0..clients {
        pairs.push(UnixStream::pair()?);
    }
    let (clients, servers): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
    let descriptors: Vec<_> = servers.iter().map(|server| server.as_fd().as_raw_fd()).collect();
    let count = clients.len() as i64;
    let held = anyio::task_group(async |tg| -> Result<i64> {
        let before = HELD.get();
        for server in servers {
            let mut handshake = TlsHandshake::new(server, &options)?;
            tg.start_soon(async move {
                let error = handshake.run().await.unwrap_err();
                assert!(matches!(error, Error::Cancelled(_)), "{error}");
                Err::<(), _>(error)
            });
        }
        for client in &clients {
            client.send(said.to_vec()).await?;
        }
        for descriptor in descriptors {
            let unread = || {
                let mut count: libc::c_int = 0;
                // SAFETY: the number goes where the call is told; the descriptor is open as long as its task.
                assert_eq!(unsafe { libc::ioctl(descriptor, libc::FIONREAD, &mut count) }, 0);
                count
            };
            while unread() > 0 {
                anyio::sleep(std::time::Duration::from_millis(1)).await?;
            }
        }
        wait_all_tasks_blocked().await?;
        let held = (HELD.get() - before) / count;
        tg.cancel();
        Ok(held)
    });
    Ok(held.await?.expect("it has ended before it was cancelled"))
}

#[cfg(target_os = "linux")]
#[anyio::test]
async fn a_handshake_that_does_not_go_on_holds_no_more_than_a_message() -> Result<()> {
    for (what, said) in floods() {
        held_in_handshakes(2, &said).await?;
        let held = held_in_handshakes(100, &said).await?;
        // What there is in any case, and what was said.
        let most = 12 * 1024 + said.len() as i64;
        assert!(held < most, "{held} bytes are held for a client that has said {what}, {} bytes", said.len());
    }
    Ok(())
}

/// What a side that does not receive holds of what the other has sent.
#[anyio::test]
async fn what_nobody_receives_is_left_to_the_system() -> Result<()> {
    let options = tls_options();
    let mut connections = Vec::new();
    let mut before = 0;
    for number in 0..=20 {
        if number == 1 {
            before = HELD.get();
        }
        let (client, server) = tls_pair(&options).await?;
        // As much as the socket takes.
        for _ in 0..40 {
            client.send(vec![7; 1000]).await?;
        }
        // It takes one byte of them.
        assert_eq!(server.receive_at_most(1).await?.unwrap(), [7]);
        connections.push((client, server));
    }
    let each = (HELD.get() - before) / 20;
    // Both sides, and a chunk of the run.
    assert!(each < 160 * 1024, "{each} bytes are held for a connection");
    Ok(())
}
