//! TCP echo: every peer's plainest server under a closed loop of many connections.

use std::time::Duration;

use clap::Args;

use crate::{
    measuring::{
        cell::Cell,
        load::{
            closed_loop::{ClosedLoop, Exchange},
            pattern,
        },
        results::Unit,
    },
    workloads::requests::{self, Workload, plain},
};

#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    requests: requests::Arguments,
    /// Let the servers use all processors, which the load then shares with them
    #[arg(long)]
    all_cores: bool,
    /// Have each message of most connections ask for a microsecond of work, and those of one in a hundred for a hundred
    #[arg(long, requires = "all_cores")]
    skewed: bool,
}

const WORKLOAD: Workload = Workload {
    name: "echo",
    server: "echo",
    unit: Unit::Request,
    cells: &["1x64", "50x64", "500x1K", "5000x64", "50x16K", "500x16K"],
    quick_cells: &["50x64", "500x1K", "50x16K"],
    slice: Duration::from_millis(100),
    check: plain,
    all_cores: false,
};

const ALL_CORES: Workload = Workload {
    name: "echo-all-cores",
    server: "echo-all-cores",
    cells: &["50x64", "500x1K", "500x16K"],
    quick_cells: &["500x1K"],
    all_cores: true,
    ..WORKLOAD
};

const SKEWED: Workload = Workload {
    name: "echo-skewed",
    server: "echo-skewed",
    cells: &["200x64", "500x1K"],
    quick_cells: &["200x64"],
    ..ALL_CORES
};

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let (workload, exchange): (_, fn(Cell) -> Exchange) = match arguments {
        Arguments { skewed: true, .. } => (&SKEWED, skewed),
        Arguments { all_cores: true, .. } => (&ALL_CORES, exchange),
        _ => (&WORKLOAD, exchange),
    };
    requests::run(workload, &arguments.requests, || ClosedLoop::new(exchange))
}

/// What is sent comes back.
pub(crate) fn exchange(cell: Cell) -> Exchange {
    let bytes = pattern(cell.size);
    Exchange { request: bytes.clone(), answer: bytes, requests: 1, rare: None }
}

/// The same with a first byte that says how much work is to be done for it.
fn skewed(cell: Cell) -> Exchange {
    let with = |effort| {
        let mut bytes = pattern(cell.size);
        if let Some(first) = bytes.first_mut() {
            *first = effort;
        }
        bytes
    };
    Exchange { request: with(1), answer: with(1), requests: 1, rare: Some(with(100)) }
}
