//! Servers that do not wait for the client's last word of the handshake before they send data.

use super::authority::{self, LOCALHOST};
use anyio::{
    Error, Result, fail_after,
    streams::{ByteReceiveStream, ByteSendStream, Split, tls::TlsStream},
    testing::{lockstep_stream_pair, memory_stream_pair},
};
use futures_util::join;
use rustls::ServerConnection;
use std::{io::Write, sync::Arc, time::Duration};

/// Nothing takes so long, unless it hangs.
const LIMIT: Duration = Duration::from_secs(60);

/// What a server sends first: all of its handshake, and data right behind it.
fn eager(hello: &[u8], data: &[u8]) -> (ServerConnection, Vec<u8>) {
    let mut config = LOCALHOST.server_config();
    config.send_half_rtt_data = true;
    let mut server = ServerConnection::new(Arc::new(config)).unwrap();
    server.set_buffer_limit(None);
    take(&mut server, hello);
    server.writer().write_all(data).unwrap();
    let flight = written(&mut server);
    assert!(flight.len() > data.len() && server.is_handshaking());
    (server, flight)
}

fn take(server: &mut ServerConnection, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        server.read_tls(&mut bytes).unwrap();
        server.process_new_packets().unwrap();
    }
}

fn written(server: &mut ServerConnection) -> Vec<u8> {
    let mut bytes = Vec::new();
    while server.wants_write() {
        server.write_tls(&mut bytes).unwrap();
    }
    bytes
}

/// The first record of a client, which may come in parts: its length is in its header of five bytes.
async fn receive_hello(from_client: &mut impl ByteReceiveStream) -> Result<Vec<u8>> {
    let mut hello = Vec::new();
    while hello.len() < 5 || hello.len() < 5 + usize::from(u16::from_be_bytes([hello[3], hello[4]])) {
        hello.extend_from_slice(&from_client.receive().await?.expect("the client begins"));
    }
    Ok(hello)
}

async fn check<S: Split>((client, server): (S, S), data: &[u8]) -> Result<()> {
    let options = authority::options().0;
    let (mut from_client, mut to_client) = server.split();
    let server = async {
        let hello = receive_hello(&mut from_client).await?;
        let (mut server, flight) = eager(&hello, data);
        to_client.send(flight).await?;
        while server.is_handshaking() {
            take(&mut server, &from_client.receive().await?.expect("the client ends its handshake"));
        }
        server.writer().write_all(b"behind it").unwrap();
        to_client.send(written(&mut server)).await
    };
    let client = async {
        let client = TlsStream::wrap(client, &options).await?;
        let mut received = Vec::new();
        // Nothing is sent here that the last word could go out with.
        while received.len() < data.len() + b"behind it".len() {
            received.extend_from_slice(&client.receive().await?.expect("the server goes on"));
        }
        assert!(received == [data, b"behind it"].concat());
        anyio::Ok(client)
    };
    let (client, server) = fail_after(LIMIT, async { anyio::Ok(join!(client, server)) }).await?;
    server.and(client.map(drop))
}

#[anyio::test]
async fn a_client_says_its_last_word_although_data_came_before() -> Result<()> {
    for length in [1, 100, 40_000] {
        check(super::connection().await?, &vec![b'x'; length]).await?;
        check(memory_stream_pair(), &vec![b'x'; length]).await?;
    }
    check(lockstep_stream_pair(), b"x").await
}

#[anyio::test]
async fn a_server_that_sends_much_and_goes_before_the_last_word_is_lost_and_not_refused() -> Result<()> {
    let (client, server) = memory_stream_pair();
    let options = authority::options().0;
    let (mut from_client, mut to_client) = server.split();
    let server = async {
        let hello = receive_hello(&mut from_client).await?;
        drop(from_client);
        to_client.send(eager(&hello, &[b'x'; 100_000]).1).await
    };
    let (client, _) = join!(TlsStream::wrap(client, &options), server);
    assert!(matches!(client, Err(Error::BrokenResource(_))), "{client:?}");
    Ok(())
}
