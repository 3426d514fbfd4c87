//! TCP echo: every peer's plainest server under a closed loop of many connections.

use std::{fs::File, io::BufWriter, path::PathBuf, time::Duration};

use anyhow::{Context, ensure};
use clap::{Args, value_parser};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    cell::Cell,
    interrupt::Interrupt,
    limits,
    load::Generator,
    machine::Machine,
    peers::{self, Peer},
    report,
    results::Results,
    rotation::Plan,
};

const WORKLOAD: &str = "echo";
const CELLS: &str = "1x64,50x64,500x1K,5000x64,50x16K,500x16K";
const QUICK_CELLS: &str = "50x64,500x1K,50x16K";
const ROUNDS: u32 = 40;
const QUICK_ROUNDS: u32 = 12;

#[derive(Args)]
pub(crate) struct Arguments {
    /// The peers to measure, by name [default: all]
    #[arg(long, value_delimiter = ',', value_parser = peers::named)]
    peers: Vec<&'static Peer>,
    /// CONNECTIONSxBYTES, several [default: 1x64,50x64,500x1K,5000x64,50x16K,500x16K]
    #[arg(long, value_delimiter = ',')]
    cells: Vec<Cell>,
    /// Rotations per cell after the warm-up [default: 40, quick 12]
    #[arg(long, value_parser = value_parser!(u32).range(1..=10_000))]
    rounds: Option<u32>,
    /// How long the load stays at one server, in milliseconds
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u64).range(10..=10_000))]
    slice_ms: u64,
    /// Fewer cells and rotations
    #[arg(long)]
    quick: bool,
    /// The peer to compare with
    #[arg(long, default_value = "tokio", value_parser = peers::named)]
    reference: &'static Peer,
    /// The processor of the servers
    #[arg(long, default_value_t = 0)]
    server_core: usize,
    /// The processor of the load
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// Seed of the order within rotations
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write everything measured to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let interrupt = Interrupt::install()?;
    let plan = plan(arguments)?;
    let cells = cells(arguments);
    let mut total = 0;
    for cell in &cells {
        total += plan.slices(*cell)?;
    }
    // Opened first: a run of minutes should not end with a path that cannot be written.
    let json =
        arguments.json.as_ref().map(|path| File::create(path).with_context(|| path.display().to_string()));
    let json = json.transpose()?;

    let machine = Machine::inspect(&peers::packages(&plan.peers));
    print!("{}", report::header(&machine));
    limits::pin_to_core(arguments.load_core).context("pinning the load to its processor")?;
    let longest = cells.iter().map(|cell| cell.bytes).max().unwrap_or(0);
    let mut generator = Generator::new(longest)?;
    let mut random = fastrand::Rng::with_seed(arguments.seed);
    let progress = ProgressBar::new(total).with_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len} slices, {elapsed} gone, {eta} left  {msg}",
    )?);
    let mut results = Results {
        machine,
        workload: WORKLOAD,
        reference: plan.reference.name,
        rounds: plan.rounds,
        slice_milliseconds: arguments.slice_ms,
        seed: arguments.seed,
        cells: Vec::new(),
    };
    for cell in cells {
        let result = plan.measure(cell, &mut generator, &mut random, &interrupt, &progress)?;
        progress.suspend(|| print!("{}", report::cell(&result, plan.reference.name)));
        results.cells.push(result);
    }
    progress.finish_and_clear();
    if let Some(file) = json {
        serde_json::to_writer_pretty(BufWriter::new(file), &results)?;
    }
    Ok(())
}

fn plan(arguments: &Arguments) -> anyhow::Result<Plan> {
    let mut peers = arguments.peers.clone();
    if peers.is_empty() {
        peers.extend(peers::ALL.iter().filter(|peer| peer.server(WORKLOAD).is_some()));
    }
    let reference = arguments.reference;
    if !peers.iter().any(|peer| peer.name == reference.name) {
        peers.insert(0, reference);
    }
    for (index, peer) in peers.iter().enumerate() {
        ensure!(peer.server(WORKLOAD).is_some(), "{} has no {WORKLOAD} server", peer.name);
        ensure!(!peers[..index].iter().any(|other| other.name == peer.name), "{} is named twice", peer.name);
    }
    Ok(Plan {
        workload: WORKLOAD,
        peers,
        reference,
        rounds: arguments.rounds.unwrap_or(if arguments.quick { QUICK_ROUNDS } else { ROUNDS }),
        slice: Duration::from_millis(arguments.slice_ms),
        server_core: arguments.server_core,
        open_files: limits::raise_open_files()?,
    })
}

fn cells(arguments: &Arguments) -> Vec<Cell> {
    if !arguments.cells.is_empty() {
        return arguments.cells.clone();
    }
    let preset = if arguments.quick { QUICK_CELLS } else { CELLS };
    preset.split(',').filter_map(|cell| cell.parse().ok()).collect()
}
