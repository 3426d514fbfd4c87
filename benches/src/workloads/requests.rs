//! Workloads in which servers answer requests: what their commands have in common.

use std::{fs::File, io::BufWriter, path::PathBuf, time::Duration};

use anyhow::{Context, anyhow, ensure};
use clap::{Args, value_parser};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    measuring::{
        cell::Cell,
        interrupt::Interrupt,
        limits,
        load::Load,
        machine::Machine,
        results::{Results, Unit},
    },
    peers::{self, Peer},
    report::{
        page::{self, Document},
        terminal,
    },
    workloads::rotation::Plan,
};

const ROUNDS: u32 = 40;
const QUICK_ROUNDS: u32 = 12;

/// What makes one of these workloads.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    /// The server that peers run which have none for this workload alone.
    pub(crate) server: &'static str,
    pub(crate) unit: Unit,
    pub(crate) cells: &'static [&'static str],
    pub(crate) quick_cells: &'static [&'static str],
    /// How long the load stays at one server, unless told otherwise.
    pub(crate) slice: Duration,
    /// Whether a cell makes sense here; why not, otherwise.
    pub(crate) check: fn(Cell) -> Result<(), &'static str>,
    /// Whether the servers may use all processors.
    pub(crate) all_cores: bool,
}

/// Plain cells: no direction and no rate.
pub(crate) fn plain(cell: Cell) -> Result<(), &'static str> {
    match cell {
        Cell { direction: None, rate: None, .. } => Ok(()),
        _ => Err("a cell of this workload is CONNECTIONSxSIZE"),
    }
}

/// What a server is called that takes part only where its peer is asked for by name.
const IF_NAMED: &str = "-if-named";

impl Workload {
    /// The name of the server that this peer runs without being asked for, if it has one.
    fn server(&self, peer: &Peer) -> Option<&'static str> {
        [self.name, self.server].into_iter().find(|name| peer.server(name).is_some())
    }

    /// The name of the server that this peer runs if it is asked for.
    fn server_if_named(&self, peer: &Peer) -> Option<&'static str> {
        let mut names = peer.servers.iter().map(|(name, _)| *name);
        let if_named = || names.find(|name| name.strip_suffix(IF_NAMED) == Some(self.server));
        self.server(peer).or_else(if_named)
    }
}

#[derive(Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// The peers to measure, by name [default: all]
    #[arg(long, value_delimiter = ',', value_parser = peers::named)]
    peers: Vec<&'static Peer>,
    /// The points to measure at, such as 500x1K [default: see BENCHMARKS.md]
    #[arg(long, value_delimiter = ',')]
    cells: Vec<Cell>,
    /// Rotations per cell after the warm-up [default: 40, quick 12]
    #[arg(long, value_parser = value_parser!(u32).range(1..=10_000))]
    rounds: Option<u32>,
    /// How long the load stays at one server, in milliseconds [default: see BENCHMARKS.md]
    #[arg(long, value_parser = value_parser!(u64).range(10..=10_000))]
    slice_ms: Option<u64>,
    /// Fewer cells and rotations
    #[arg(long)]
    quick: bool,
    /// The peer to compare with [default: tokio, on all cores tokio-mt]
    #[arg(long, value_parser = peers::named)]
    reference: Option<&'static Peer>,
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
    /// Write a page with charts, and the charts one by one, into this folder
    #[arg(long)]
    report: Option<PathBuf>,
}

/// Measures the chosen peers at the chosen cells.
pub(crate) fn run<L: Load>(
    workload: &Workload,
    arguments: &Arguments,
    make_load: impl FnOnce() -> anyhow::Result<L>,
) -> anyhow::Result<()> {
    let interrupt = Interrupt::install()?;
    let plan = plan(workload, arguments)?;
    let cells = cells(workload, arguments)?;
    let mut total = 0;
    for cell in &cells {
        total += plan.slices(*cell)?;
    }
    // Opened first: a run of minutes should not end with a path that cannot be written.
    let json =
        arguments.json.as_ref().map(|path| File::create(path).with_context(|| path.display().to_string()));
    let json = json.transpose()?;

    let machine = Machine::inspect(&peers::packages(plan.servers.iter().map(|(peer, _)| *peer)));
    print!("{}", terminal::header(&machine));
    println!("{}", repetition(&plan, arguments));
    if !workload.all_cores {
        limits::pin_to_core(arguments.load_core).context("pinning the load to its processor")?;
    }
    let mut load = make_load()?;
    let mut random = fastrand::Rng::with_seed(arguments.seed);
    let progress = ProgressBar::new(total).with_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len} slices, {elapsed} gone, {eta} left  {msg}",
    )?);
    let mut results = Results {
        machine,
        workload: workload.name.to_owned(),
        unit: workload.unit,
        reference: plan.reference.name.to_owned(),
        rounds: plan.rounds,
        slice_milliseconds: plan.slice.as_millis() as u64,
        seed: arguments.seed,
        cells: Vec::new(),
    };
    for cell in cells {
        let result = plan.measure(cell, &mut load, &mut random, &interrupt, &progress)?;
        progress.suspend(|| print!("{}", terminal::cell(&result, &results)));
        results.cells.push(result);
    }
    progress.finish_and_clear();
    if let Some(file) = json {
        serde_json::to_writer_pretty(BufWriter::new(file), &results)?;
    }
    if let Some(folder) = &arguments.report {
        page::write(folder, &[Document::Requests(results)])?;
    }
    Ok(())
}

/// What the command line leaves to the defaults.
fn repetition(plan: &Plan, arguments: &Arguments) -> String {
    let where_to = match plan.server_core {
        Some(core) => format!("servers on processor {core}, load on {}", arguments.load_core),
        None => "servers and load on all processors".to_owned(),
    };
    let Plan { rounds, open_files, .. } = plan;
    let (slice, seed) = (plan.slice.as_millis(), arguments.seed);
    format!("{rounds} rotations of {slice} ms each, seed {seed}; {where_to}; at most {open_files} open files")
}

fn plan(workload: &Workload, arguments: &Arguments) -> anyhow::Result<Plan> {
    let mut peers = arguments.peers.clone();
    if peers.is_empty() {
        peers.extend(peers::ALL.iter().filter(|peer| workload.server(peer).is_some()));
    }
    let reference = match arguments.reference {
        Some(peer) => peer,
        None => {
            let name = if workload.all_cores { "tokio-mt" } else { "tokio" };
            peers::named(name).map_err(|error| anyhow!(error))?
        }
    };
    if !peers.iter().any(|peer| peer.name == reference.name) {
        peers.insert(0, reference);
    }
    for (index, peer) in peers.iter().enumerate() {
        ensure!(workload.server_if_named(peer).is_some(), "{} has no {} server", peer.name, workload.name);
        ensure!(!peers[..index].iter().any(|other| other.name == peer.name), "{} is named twice", peer.name);
    }
    Ok(Plan {
        servers: peers.iter().filter_map(|peer| Some((*peer, workload.server_if_named(peer)?))).collect(),
        reference,
        rounds: arguments.rounds.unwrap_or(if arguments.quick { QUICK_ROUNDS } else { ROUNDS }),
        slice: arguments.slice_ms.map_or(workload.slice, Duration::from_millis),
        server_core: (!workload.all_cores).then_some(arguments.server_core),
        open_files: limits::raise_open_files()?,
    })
}

fn cells(workload: &Workload, arguments: &Arguments) -> anyhow::Result<Vec<Cell>> {
    let mut cells = arguments.cells.clone();
    if cells.is_empty() {
        let preset = if arguments.quick { workload.quick_cells } else { workload.cells };
        for cell in preset {
            cells.push(cell.parse().map_err(|error: String| anyhow!(error))?);
        }
    }
    for cell in &cells {
        (workload.check)(*cell).map_err(|why| anyhow!("{cell}: {why}"))?;
    }
    Ok(cells)
}
