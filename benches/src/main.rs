//! anyio measured beside its peers: every peer has the same to do, at the same time, on the same core.
//!
//! `BENCHMARKS.md` at the root of the repository explains the method and how to read the tables.

mod arrivals;
mod bulk;
mod cell;
mod datagrams;
mod http;
mod interrupt;
mod limits;
mod load;
mod machine;
mod measure;
mod page;
mod peers;
mod process;
mod relay;
mod report;
mod requests;
mod results;
mod rotation;
mod rows;
mod sample_files;
mod server;
mod socket_pairs;
mod statistics;
mod stopwatch;
mod submissions;
mod system_calls;
mod worker;
mod workloads;

use clap::{Parser, Subcommand};

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
            print!("{}", report::list());
            Ok(())
        }
        Command::Report(arguments) => page::run(&arguments),
        Command::Serve(arguments) => server::serve(&arguments),
        Command::Work(arguments) => worker::work(&arguments),
    }
}
