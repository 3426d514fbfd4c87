//! A handshake by rustls alone.

use std::{
    io::{Read, Write},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, ensure};
use rustls::{ClientConfig, HandshakeKind, ServerConfig, ServerConnection};

use super::BYTES;
use crate::measuring::load::{pattern, tls::client};

/// What a handshake was like, and how long it took with its echo.
pub(super) struct Alone {
    pub(super) kind: HandshakeKind,
    pub(super) server: Duration,
    pub(super) both: Duration,
}

/// Does a handshake and an echo.
pub(super) fn handshake(
    client_config: &Arc<ClientConfig>,
    server_config: &Arc<ServerConfig>,
) -> anyhow::Result<Alone> {
    let began = Instant::now();
    let mut server = ServerSide::default();
    let mut client = client(client_config, "localhost")?;
    let mut connection = server.clock(|| ServerConnection::new(server_config.clone()))?;
    client.writer().write_all(&pattern(BYTES))?;
    let (mut piece, mut answer) = ([0; BYTES], Vec::new());
    while answer.len() < BYTES {
        let (mut there, mut back) = (Vec::new(), Vec::new());
        while client.wants_write() {
            client.write_tls(&mut there)?;
        }
        let mut there = &there[..];
        server.clock(|| -> anyhow::Result<()> {
            while !there.is_empty() {
                connection.read_tls(&mut there)?;
                connection.process_new_packets()?;
            }
            if let Ok(length) = connection.reader().read(&mut piece) {
                connection.writer().write_all(&piece[..length])?;
            }
            while connection.wants_write() {
                connection.write_tls(&mut back)?;
            }
            Ok(())
        })?;
        let mut back = &back[..];
        while !back.is_empty() {
            client.read_tls(&mut back)?;
            client.process_new_packets()?;
        }
        while let Ok(length) = client.reader().read(&mut piece) {
            ensure!(length > 0, "the answer ended");
            answer.extend_from_slice(&piece[..length]);
        }
    }
    ensure!(answer == pattern(BYTES), "the answer is not what was asked");
    let kind = client.handshake_kind().context("the handshake is not over")?;
    server.clock(|| drop(connection));
    drop(client);
    Ok(Alone { kind, server: server.time, both: began.elapsed() })
}

/// How long the server's side has taken.
#[derive(Default)]
struct ServerSide {
    time: Duration,
}

impl ServerSide {
    fn clock<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let began = Instant::now();
        let result = work();
        self.time += began.elapsed();
        result
    }
}
