//! anyio measured beside its peers: every peer has the same to do, at the same time, on the same core.
//!
//! `BENCHMARKS.md` at the root of the repository explains the method and how to read the tables.

mod measuring;
mod peers;
mod report;
mod workloads;

use std::fmt::Write;

use clap::{Parser, Subcommand};

use crate::{
    report::page,
    workloads::{server, worker},
};

/// Measures anyio and its peers side by side.
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    Measure(workloads::Command),
    /// Makes a page with charts from what measurements wrote with --json.
    Report(page::Arguments),
    /// Names the workloads and the peers that serve them.
    List,
    /// Runs one peer's server until standard input ends.
    #[command(hide = true)]
    Serve(server::ServeArguments),
    /// Does one peer's job whenever a line of standard input orders it.
    #[command(hide = true)]
    Work(worker::WorkArguments),
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().command {
        Command::Measure(command) => command.run(),
        Command::List => {
            print!("{}", list());
            Ok(())
        }
        Command::Report(arguments) => page::run(&arguments),
        Command::Serve(arguments) => server::serve(&arguments),
        Command::Work(arguments) => worker::work(&arguments),
    }
}

/// The workloads, and the peers with what they serve.
fn list() -> String {
    let mut text = String::from("Workloads:\n");
    for (name, about) in workloads::described() {
        let _ = writeln!(text, "  {name:<16} {about}");
    }
    text.push_str("\nPeers:\n");
    for peer in peers::ALL {
        let served: Vec<_> = peer.workloads().collect();
        let _ = writeln!(text, "  {:<16} {} [{}]", peer.name, peer.about, served.join(", "));
    }
    text
}
