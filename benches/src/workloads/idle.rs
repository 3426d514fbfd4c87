//! Thousands of connections that are open and silent: what memory the echo servers take for each.
//!
//! Memory does not drift with the host's speed, so peers come one after the other, each with a new server in each
//! round. Before it counts as idle each connection has had one echo, so that what a server keeps after use is in.

use std::{fs::File, io::BufWriter, path::PathBuf, thread, time::Duration};

use anyhow::{Context, ensure};
use clap::{Args, value_parser};
use comfy_table::{CellAlignment, Table, presets::UTF8_HORIZONTAL_ONLY};
use indicatif::{ProgressBar, ProgressStyle};

use crate::measuring::idle_results::{Growth, Results, compared};
use crate::{
    measuring::{
        cell::Cell, interrupt::Interrupt, limits, load::Load, machine::Machine, measure::Memory,
        statistics::Summary,
    },
    peers::{self, Peer},
    report::{
        page::{self, Document},
        terminal::{self, spread},
    },
    workloads::server::Server,
};

/// What is looked at.
pub(super) struct Workload {
    name: &'static str,
    server: &'static str,
}

pub(super) const PLAIN: Workload = Workload { name: "idle", server: "echo" };
pub(super) const TLS: Workload = Workload { name: "tls-idle", server: "tls-echo" };

const CONNECTIONS: usize = 10_000;
const QUICK_CONNECTIONS: usize = 1_000;
const ROUNDS: u32 = 5;
const QUICK_ROUNDS: u32 = 2;
const BYTES: usize = 64;
/// Descriptors a process needs beside its connections.
const SPARE_FILES: usize = 100;
/// How long a server gets to go to rest.
const SETTLE: Duration = Duration::from_millis(300);

#[derive(Args)]
pub(crate) struct Arguments {
    /// The peers to measure, by name [default: all]
    #[arg(long, value_delimiter = ',', value_parser = peers::named)]
    peers: Vec<&'static Peer>,
    /// How many connections; fewer if the limit of open files has no room [default: 10000, quick 1000]
    #[arg(long)]
    connections: Option<usize>,
    /// How many servers of each peer are measured [default: 5, quick 2]
    #[arg(long, value_parser = value_parser!(u32).range(1..=1_000))]
    rounds: Option<u32>,
    /// Fewer connections and rounds
    #[arg(long)]
    quick: bool,
    /// The peer to compare with
    #[arg(long, default_value = "tokio", value_parser = peers::named)]
    reference: &'static Peer,
    /// The processor of the servers
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// Write everything measured to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Write a page with charts, and the charts one by one, into this folder
    #[arg(long)]
    report: Option<PathBuf>,
}

pub(super) fn run<L: Load>(
    workload: &Workload,
    arguments: &Arguments,
    make_load: impl Fn() -> anyhow::Result<L>,
) -> anyhow::Result<()> {
    let interrupt = Interrupt::install()?;
    let open_files = limits::raise_open_files()?;
    let peers = chosen_peers(workload.server, arguments)?;
    let wanted =
        arguments.connections.unwrap_or(if arguments.quick { QUICK_CONNECTIONS } else { CONNECTIONS });
    let connections = wanted.min(open_files.saturating_sub(SPARE_FILES));
    ensure!(connections > 0, "there is no room for a connection");
    let rounds = arguments.rounds.unwrap_or(if arguments.quick { QUICK_ROUNDS } else { ROUNDS });
    let json =
        arguments.json.as_ref().map(|path| File::create(path).with_context(|| path.display().to_string()));
    let json = json.transpose()?;

    let machine = Machine::inspect(&peers::packages(peers.iter().copied()));
    print!("{}", terminal::header(&machine));
    println!("{connections} connections of {wanted} wanted; at most {open_files} open files in a process");
    let progress = ProgressBar::new(u64::from(rounds) * peers.len() as u64)
        .with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} servers, {elapsed} gone  {msg}")?);
    let mut growths: Vec<(&'static str, Vec<Growth>)> =
        peers.iter().map(|peer| (peer.name, Vec::new())).collect();
    for round in 0..rounds {
        for (peer, (_, growths)) in peers.iter().zip(&mut growths) {
            progress.set_message(peer.name);
            let server = Server::start(workload.server, peer, Some(arguments.server_core))?;
            let growth = measure(&server, make_load()?, connections, round, &interrupt);
            growths.push(growth.with_context(|| peer.name)?);
            progress.inc(1);
        }
    }
    progress.finish_and_clear();
    let reference = arguments.reference.name.to_owned();
    let peers = compared(growths, &reference);
    let results = Results {
        machine,
        workload: workload.name.to_owned(),
        reference,
        rounds,
        connections,
        open_files,
        peers,
    };
    print!("{}", table(&results));
    if let Some(file) = json {
        serde_json::to_writer_pretty(BufWriter::new(file), &results)?;
    }
    if let Some(folder) = &arguments.report {
        page::write(folder, &[Document::Idle(results)])?;
    }
    Ok(())
}

fn chosen_peers(server: &str, arguments: &Arguments) -> anyhow::Result<Vec<&'static Peer>> {
    let mut peers = arguments.peers.clone();
    if peers.is_empty() {
        peers.extend(peers::ALL.iter().filter(|peer| peer.server(server).is_some()));
    }
    if !peers.iter().any(|peer| peer.name == arguments.reference.name) {
        peers.insert(0, arguments.reference);
    }
    for peer in &peers {
        ensure!(peer.server(server).is_some(), "{} has no {server} server", peer.name);
    }
    Ok(peers)
}

fn measure<L: Load>(
    server: &Server,
    mut load: L,
    connections: usize,
    round: u32,
    interrupt: &Interrupt,
) -> anyhow::Result<Growth> {
    let mut open = |connections| {
        let cell = Cell { direction: None, connections, size: BYTES, rate: None };
        let open = load.open(server.address, cell, interrupt);
        thread::sleep(SETTLE);
        open
    };
    let _first = open(1)?;
    let before = Memory::of(server.pid())?;
    let _others = open(connections)?;
    let after = Memory::of(server.pid())?;
    Ok(Growth { round, connections, before, after })
}

fn table(results: &Results) -> String {
    let mut table = Table::new();
    table.load_preset(UTF8_HORIZONTAL_ONLY).set_header([
        "peer".to_owned(),
        format!("PSS ÷ {}\n[quartiles] min–max", results.reference),
        "PSS bytes\n/ connection".to_owned(),
        "RSS bytes\n/ connection".to_owned(),
    ]);
    let bytes = |summary: Option<Summary>| terminal::median(summary, 0);
    for peer in &results.peers {
        table.add_row([
            peer.peer.clone(),
            peer.proportional_to_reference.map_or_else(String::new, spread),
            bytes(peer.proportional_per_connection),
            bytes(peer.resident_per_connection),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    format!("\n{} idle connections ({} servers each)\n{table}\n", results.connections, results.rounds)
}
