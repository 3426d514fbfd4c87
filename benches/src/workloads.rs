//! The workloads; each is a subcommand and a file of its own.
//!
//! To add one: a file with `Arguments` and `run`, its `mod` line here, and its variant and arm below.

pub(crate) mod cancel;
mod echo;
pub(crate) mod files;
pub(crate) mod processes;
pub(crate) mod tasks;

use clap::Subcommand;

use crate::rows;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// TCP echo on loopback: each connection sends a message and waits until all of it came back.
    Echo(echo::Arguments),
    /// Tasks, timers, timeouts, groups, channels and locks, without input or output.
    Tasks(rows::Arguments),
    /// Cancelling thousands of receives, or up to a million other waits, at once.
    Cancel(rows::Arguments),
    /// Files: random reads at several depths, long reads and writes, many small files.
    Files(files::Arguments),
    /// Other processes, started and waited for.
    Processes(rows::Arguments),
}

impl Command {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::Echo(arguments) => echo::run(arguments),
            Self::Tasks(arguments) => tasks::run(arguments),
            Self::Cancel(arguments) => cancel::run(arguments),
            Self::Files(arguments) => files::run(arguments),
            Self::Processes(arguments) => processes::run(arguments),
        }
    }
}

/// Each workload's name and what it does.
pub(crate) fn described() -> Vec<(String, String)> {
    Command::augment_subcommands(clap::Command::new("workloads"))
        .get_subcommands()
        .map(|it| (it.get_name().to_owned(), it.get_about().map(ToString::to_string).unwrap_or_default()))
        .collect()
}

/// Whether a worker may use both processors: where the kernel or other threads do a part of the work.
pub(crate) fn uses_both_cores(workload: &str) -> bool {
    [files::WORKLOAD, processes::WORKLOAD].contains(&workload)
}
