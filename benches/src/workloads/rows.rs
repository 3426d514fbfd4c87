//! Workloads of many small rows, each of which every peer does in a process of its own.
//!
//! As with servers, the workers of all peers are alive together and take turns in shuffled order, a short stretch of
//! work each, and only figures of one rotation are compared.

mod measuring;

use std::path::PathBuf;

use clap::{Args, value_parser};

use crate::peers::{self, Peer};

pub(crate) use measuring::{run, run_in};

/// The options of these workloads.
#[derive(Args)]
#[group(skip)]
pub(crate) struct Arguments {
    /// The peers to measure, by name [default: all]
    #[arg(long, value_delimiter = ',', value_parser = peers::named)]
    peers: Vec<&'static Peer>,
    /// The rows to measure, by name or the beginning of one [default: all]
    #[arg(long, value_delimiter = ',')]
    rows: Vec<String>,
    /// Rotations per row after the warm-up [default: 20, quick 5]
    #[arg(long, value_parser = value_parser!(u32).range(1..=10_000))]
    rounds: Option<u32>,
    /// Fewer rotations
    #[arg(long)]
    quick: bool,
    /// Do only one in so many of a row's operations in each turn
    #[arg(long, default_value_t = 1, value_parser = value_parser!(u64).range(1..=100_000))]
    thin: u64,
    /// The peer to compare with
    #[arg(long, default_value = "tokio", value_parser = peers::named)]
    reference: &'static Peer,
    /// The processor of the workers
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// The processor of their second thread, where a row needs one
    #[arg(long, default_value_t = 1)]
    other_core: usize,
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
