//! Files: random reads at several depths, long reads and writes, and many small files.

use std::{env, path::PathBuf};

use clap::Args;

use crate::{
    measuring::{
        row::{Figure, Row},
        sample_files::SampleFiles,
    },
    workloads::rows,
};

pub(crate) const WORKLOAD: &str = "files";

/// The options of this workload.
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    rows: rows::Arguments,
    /// The folder in which files are made and removed afterwards; it has to be on a disk that knows direct access
    /// [default: the current folder]
    #[arg(long)]
    folder: Option<PathBuf>,
}

const fn row(name: &'static str, about: &'static str, operations: u64) -> Row {
    Row { name, about, job: name, operations, figure: Figure::Elapsed }
}

static ROWS: &[Row] = &[
    row("cached-1", "random reads of 4 KiB out of the page cache, one at a time", 5_000),
    row("cached-32", "the same, 32 at a time", 20_000),
    row("cached-128", "the same, 128 at a time", 20_000),
    row("direct-1", "random reads of 4 KiB past the page cache (O_DIRECT), one at a time", 500),
    row("direct-32", "the same, 32 at a time", 5_000),
    row("direct-128", "the same, 128 at a time", 10_000),
    row("read-long", "reads of 1 MiB one after the other, out of the page cache", 256),
    row("write-long", "writes of 1 MiB one after the other, then an fsync of all of them", 64),
    row("small-1", "open, stat, read and close a file of 1 KiB, one at a time", 10_000),
    row("small-32", "the same, 32 at a time", 10_000),
];

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let parent = arguments.folder.clone().map_or_else(env::current_dir, Ok)?;
    let samples = SampleFiles::make(&parent)?;
    rows::run_in(samples.folder(), WORKLOAD, ROWS, &arguments.rows)
}
