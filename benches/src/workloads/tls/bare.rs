//! Handshakes in memory: rustls and its provider alone, and the same by anyio's streams.

mod alone;
mod wrapped;

use std::time::{Duration, Instant};

use anyhow::ensure;
use anyio::streams::tls::TlsOptions;
use clap::Args;
use rustls::HandshakeKind;

use crate::measuring::{
    limits,
    tls::{client_config, server_config},
};

/// How much is echoed after each handshake.
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
        println!("{}", anyio::run(async || measure(arguments.handshakes, resuming).await)?.line(name));
    }
    Ok(())
}

/// How long handshakes took, each with its echo.
#[derive(Default)]
struct Times {
    /// The server's side by rustls alone.
    server: Vec<Duration>,
    /// Both sides by rustls alone.
    both: Vec<Duration>,
    /// Both sides by streams.
    wrapped: Vec<Duration>,
}

impl Times {
    fn line(mut self, name: &str) -> String {
        let [server, both, wrapped] = [&mut self.server, &mut self.both, &mut self.wrapped].map(|times| {
            times.sort_unstable();
            [1, 2, 3].map(|quarter| times[(times.len() - 1) * quarter / 4].as_nanos() as f64 / 1000.0)
        });
        let microseconds =
            |[low, median, high]: [f64; 3]| format!("{median:.1} µs (quartiles {low:.1} to {high:.1})");
        format!(
            "{name}: rustls alone {}, of which the server {}; by streams of anyio {}, {:.3} of it",
            microseconds(both),
            microseconds(server),
            microseconds(wrapped),
            wrapped[1] / both[1],
        )
    }
}

/// Does handshakes by rustls alone and by streams in turn.
async fn measure(handshakes: usize, resuming: bool) -> anyhow::Result<Times> {
    let server = server_config()?;
    // Each remembers the sessions of its own.
    let client = client_config(resuming)?;
    let options =
        (TlsOptions::client(client_config(resuming)?, "localhost")?, TlsOptions::server(server.clone()));
    let mut times = Times::default();
    for number in 0..=handshakes {
        let alone = alone::handshake(&client, &server)?;
        let began = Instant::now();
        let kind = wrapped::handshake(&options.0, &options.1).await?;
        let wrapped = began.elapsed();
        // The first ones are full in any case.
        let expected = if resuming && number > 0 { HandshakeKind::Resumed } else { HandshakeKind::Full };
        ensure!([alone.kind, kind] == [expected; 2], "a session was not resumed, or was");
        if number > 0 {
            times.server.push(alone.server);
            times.both.push(alone.both);
            times.wrapped.push(wrapped);
        }
    }
    Ok(times)
}
