//! The workloads; each is a subcommand and a file of its own.
//!
//! To add one: a file with `Arguments` and `run`, its `mod` line here, and its variant and arm below.

mod echo;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// TCP echo on loopback: each connection sends a message and waits until all of it came back.
    Echo(echo::Arguments),
}

impl Command {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::Echo(arguments) => echo::run(arguments),
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
