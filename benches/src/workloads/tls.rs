//! TLS: what `echo`, `accept`, `stream` and `idle` measure, encrypted.

mod bare;

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::{
    measuring::{
        load::{
            bulk::Bulk,
            tls::{Handshakes, Kept, connect},
        },
        results::Unit,
        tls::client_config,
    },
    workloads::{
        echo, idle,
        requests::{self, Workload, plain},
        stream,
    },
};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// Echo on connections that are kept.
    Echo(requests::Arguments),
    /// New connections, each with a full handshake and one echo.
    Handshakes(requests::Arguments),
    /// New connections, each of which resumes a session, and one echo.
    Resumptions(requests::Arguments),
    /// Much in one direction on one connection.
    Stream(requests::Arguments),
    /// The memory that a server takes for each connection that is open and silent.
    Idle(idle::Arguments),
    /// What rustls takes for the same handshakes and echo in memory, alone and by streams of anyio.
    Bare(bare::Arguments),
}

const ECHO: Workload = Workload {
    name: "tls-echo",
    server: "tls-echo",
    unit: Unit::Request,
    cells: &["50x64", "50x16K"],
    quick_cells: &["50x64", "50x16K"],
    slice: Duration::from_millis(100),
    check: plain,
    all_cores: false,
};

const HANDSHAKES: Workload = Workload {
    name: "tls-handshakes",
    unit: Unit::Connection,
    cells: &["1x64", "50x64"],
    quick_cells: &["50x64"],
    ..ECHO
};

const RESUMPTIONS: Workload = Workload { name: "tls-resumptions", ..HANDSHAKES };

const STREAM: Workload = Workload { name: "tls-stream", server: "tls-stream", ..stream::WORKLOAD };

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.part {
        Part::Echo(arguments) => requests::run(&ECHO, arguments, || Kept::new(echo::exchange)),
        Part::Handshakes(arguments) => requests::run(&HANDSHAKES, arguments, || Ok(Handshakes::new(false))),
        Part::Resumptions(arguments) => requests::run(&RESUMPTIONS, arguments, || Ok(Handshakes::new(true))),
        Part::Stream(arguments) => requests::run(&STREAM, arguments, || {
            let config = client_config(false)?;
            Ok(Bulk::new(move |server| connect(server, &config)))
        }),
        Part::Idle(arguments) => idle::run(&idle::TLS, arguments, || Kept::new(echo::exchange)),
        Part::Bare(arguments) => bare::run(arguments),
    }
}
