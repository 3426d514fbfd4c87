//! Peers that send too much of what is allowed, or in too small pieces.

use super::{
    authority::{self, LOCALHOST, client_config},
    connection,
    forger::{Forger, forger_and_server, refusal},
};
use anyio::{
    Error, Result,
    net::{TcpListener, TcpStream},
    streams::{
        Listener,
        tls::{TlsListener, TlsOptions, TlsSide, TlsStream},
    },
    task_group,
};
use futures_util::join;
use rustls::{ClientConnection, ContentType};
use std::{cell::Cell, sync::Arc, time::Duration};

#[anyio::test]
async fn a_few_warnings_are_heard_and_a_flood_of_them_is_refused() -> Result<()> {
    let (mut forger, server) = forger_and_server().await?;
    for _ in 0..3 {
        forger.send(ContentType::Alert, &[1, 90]).await?;
    }
    forger.send(ContentType::ApplicationData, b"still here").await?;
    assert_eq!(server.receive().await?.unwrap(), "still here");
    let mut flood = Vec::new();
    for _ in 0..1000 {
        flood.extend(forger.record(ContentType::Alert, &[1, 90]));
    }
    let (received, _) = join!(server.receive(), forger.stream.send(flood));
    assert_eq!(refusal(received, "a flood of warnings").refused_by(), TlsSide::Here);
    Ok(())
}

#[anyio::test]
async fn a_stream_of_records_of_one_byte_is_received() -> Result<()> {
    const COUNT: usize = 20_000;
    let (mut forger, server) = forger_and_server().await?;
    let mut bytes = Vec::new();
    for _ in 0..COUNT {
        bytes.extend(forger.record(ContentType::ApplicationData, b"x"));
    }
    task_group(async |tg| -> Result<()> {
        tg.start_soon(async { forger.stream.send(bytes).await });
        let mut received = 0;
        while received < COUNT {
            received += server.receive().await?.unwrap().len();
        }
        assert_eq!(received, COUNT);
        Ok(())
    })
    .await?;
    Ok(())
}

/// What a client says first, in records of so many bytes.
fn hello_in_pieces(size: usize) -> (ClientConnection, Vec<u8>) {
    let mut client =
        ClientConnection::new(Arc::new(client_config()), "localhost".try_into().unwrap()).unwrap();
    let mut record = Vec::new();
    client.write_tls(&mut record).unwrap();
    let mut pieces = Vec::new();
    for piece in record[5..].chunks(size) {
        pieces.extend([22, 3, 1]);
        pieces.extend((piece.len() as u16).to_be_bytes());
        pieces.extend(piece);
    }
    (client, pieces)
}

#[anyio::test]
async fn a_handshake_in_records_of_one_byte_is_done() -> Result<()> {
    for size in [1, 2, 50] {
        let (client, server) = connection().await?;
        let options = TlsOptions::server(LOCALHOST.server_config());
        let (mut connection, hello) = hello_in_pieces(size);
        let shaking = async {
            client.send(hello).await?;
            while connection.is_handshaking() {
                let chunk = client.receive().await?.expect("the server goes on");
                let mut bytes = &chunk[..];
                while !bytes.is_empty() {
                    connection.read_tls(&mut bytes).unwrap();
                    connection.process_new_packets().unwrap();
                }
            }
            let mut last = Vec::new();
            while connection.wants_write() {
                connection.write_tls(&mut last).unwrap();
            }
            client.send(last).await
        };
        let (server, shaken) = join!(TlsStream::wrap(server, &options), shaking);
        shaken?;
        server?;
    }
    Ok(())
}

#[anyio::test]
async fn a_ticket_that_is_longer_than_any_message_is_refused_and_a_long_one_is_taken() -> Result<()> {
    for (length, is_taken) in [(60_000u32, true), (65_600, false)] {
        let (client, server) = connection().await?;
        let options = TlsOptions::client(client_config(), "localhost")?;
        let (client, forger) = join!(TlsStream::wrap(client, &options), Forger::accept(server));
        let (client, mut forger) = (client?, forger?);
        // Lifetime, age, an empty nonce, the ticket and no extensions.
        let ticket = length.min(65_535) as u16;
        let mut message = vec![0, 0, 1, 0, 0, 0, 0, 0, 0];
        message.extend(ticket.to_be_bytes());
        message.resize(message.len() + usize::from(ticket), 7);
        message.extend([0, 0]);
        message.resize((length as usize).max(message.len()), 0);
        let mut whole = vec![4];
        whole.extend(&(message.len() as u32).to_be_bytes()[1..]);
        whole.extend(message);
        for piece in whole.chunks(16_384) {
            forger.send(ContentType::Handshake, piece).await?;
        }
        forger.send(ContentType::ApplicationData, b"behind it").await?;
        let received = client.receive().await;
        match is_taken {
            true => assert_eq!(received?.unwrap(), "behind it"),
            false => assert_eq!(refusal(received, "a long ticket").refused_by(), TlsSide::Here),
        }
    }
    Ok(())
}

#[anyio::test]
async fn many_half_open_handshakes_keep_nobody_else_waiting_and_end_with_their_time() -> Result<()> {
    const SILENT: usize = 300;
    let tcp = TcpListener::bind("127.0.0.1:0").await?;
    let address = tcp.local_addr()?;
    let over = std::rc::Rc::new(Cell::new(0));
    let counted = over.clone();
    let listener = TlsListener::new(tcp, LOCALHOST.server_config())
        .handshake_limit(Duration::from_secs(2))
        .on_handshake_error(move |error, _| {
            assert!(matches!(error, Error::TimedOut(_)), "{error:?}");
            counted.set(counted.get() + 1);
        });
    task_group(async |tg| -> Result<()> {
        let serving = tg.start_soon(async {
            let greet = async |stream: TlsStream<TcpStream>| -> Result<()> {
                stream.send("hello").await?;
                stream.close().await
            };
            listener.serve(greet).await?;
            Ok::<_, Error>(())
        });
        let (_, hello) = hello_in_pieces(1000);
        let mut half_open = Vec::new();
        for index in 0..SILENT {
            let stream = TcpStream::connect(address).await?;
            // Nothing, a part of a header, a part of a message, or all but the last word.
            let said = [0, 3, 40, hello.len()][index % 4];
            stream.send(hello[..said].to_vec()).await?;
            half_open.push(stream);
        }
        let stream = TcpStream::connect_tls("localhost", address.port(), authority::client_config()).await?;
        assert_eq!(stream.receive().await?.unwrap(), "hello");
        stream.close().await?;
        for stream in &half_open {
            while stream.receive().await.is_ok_and(|chunk| chunk.is_some()) {}
        }
        assert_eq!(over.get(), SILENT);
        serving.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}
