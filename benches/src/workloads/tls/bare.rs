//! The server's side of handshakes in memory: rustls and its provider alone, without sockets and a runtime.

use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

use anyhow::ensure;
use clap::Args;
use rustls::{HandshakeKind, ServerConnection};

use crate::measuring::{
    limits,
    load::{pattern, tls::client},
    tls::{client_config, server_config},
};

const BYTES: usize = 64;

#[derive(Args)]
pub(crate) struct Arguments {
    /// How many handshakes of each kind
    #[arg(long, default_value_t = 5_000)]
    handshakes: usize,
    /// The processor
    #[arg(long, default_value_t = 0)]
    core: usize,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    limits::pin_to_core(arguments.core)?;
    for (resuming, name) in [(false, "full"), (true, "resumed")] {
        let server_config = server_config()?;
        let client_config = client_config(resuming)?;
        let mut times = Vec::new();
        for number in 0..=arguments.handshakes {
            let mut server = ServerSide::default();
            let mut client = client(&client_config, "localhost")?;
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
            server.clock(|| drop(connection));
            let is_resumed = client.handshake_kind() == Some(HandshakeKind::Resumed);
            ensure!(is_resumed == (resuming && number > 0), "a session was not resumed, or was");
            // The first one is full in any case.
            times.extend((number > 0).then_some(server.time));
        }
        times.sort_unstable();
        let at = |share: usize| times[(times.len() - 1) * share / 4].as_nanos() as f64 / 1000.0;
        println!("{name}: {:.1} µs (quartiles {:.1} to {:.1})", at(2), at(1), at(3));
    }
    Ok(())
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
