//! Worker processes: this binary run again with a hidden subcommand, one process per peer and row.
//!
//! A worker reads orders from standard input, one line each, does the job and answers with one line of figures. It
//! ends when its standard input does.

use std::{
    io::{self, BufRead, BufReader, Write},
    path::Path,
    str::FromStr,
    sync::mpsc::{self, Receiver},
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow};
use clap::Args;

use crate::{
    measuring::job::Order,
    measuring::{limits, process::Process, stopwatch::Measured},
    peers::{self, Peer},
    workloads,
};

/// A job that has not ended by then will not.
const LIMIT: Duration = Duration::from_secs(30);

/// The hidden subcommand's arguments.
#[derive(Args)]
pub(crate) struct WorkArguments {
    workload: String,
    peer: String,
    job: String,
    /// The processor to stay on.
    #[arg(long)]
    core: usize,
    /// The processor for a second thread.
    #[arg(long)]
    other_core: usize,
}

/// Does one peer's job in this process as often as ordered.
pub(crate) fn work(arguments: &WorkArguments) -> anyhow::Result<()> {
    let peer = peers::named(&arguments.peer).map_err(|error| anyhow!(error))?;
    let job = peer.job(&arguments.workload, &arguments.job).context("this peer does not do this job")?;
    limits::raise_open_files()?;
    if workloads::uses_both_cores(&arguments.workload) {
        limits::pin_to_cores(&[arguments.core, arguments.other_core])?;
    } else {
        limits::pin_to_cores(&[arguments.core])?;
    }
    for line in io::stdin().lines() {
        let operations = line?.trim().parse()?;
        let measured = job(&Order { operations, other_core: arguments.other_core })?;
        let (elapsed, cpu) = (measured.elapsed.as_nanos(), measured.cpu.as_nanos());
        println!("{} {elapsed} {cpu}", measured.operations);
    }
    Ok(())
}

impl FromStr for Measured {
    type Err = anyhow::Error;

    fn from_str(line: &str) -> anyhow::Result<Self> {
        let mut numbers = line.split_ascii_whitespace().map(str::parse::<u64>);
        let mut next = || numbers.next().context("figures are missing")?.context("figures are no numbers");
        Ok(Self {
            operations: next()?,
            elapsed: Duration::from_nanos(next()?),
            cpu: Duration::from_nanos(next()?),
        })
    }
}

/// A peer's worker process. Dropping it ends the process.
pub(crate) struct Worker {
    pub(crate) peer: &'static Peer,
    process: Process,
    answers: Receiver<io::Result<String>>,
}

impl Worker {
    pub(crate) fn start(
        folder: &Path,
        workload: &str,
        peer: &'static Peer,
        job: &str,
        core: usize,
        other_core: usize,
    ) -> anyhow::Result<Self> {
        let (core, other_core) = (core.to_string(), other_core.to_string());
        let arguments = ["work", workload, peer.name, job, "--core", &core, "--other-core", &other_core];
        let mut process = Process::start_in(folder, &arguments)?;
        let output = process.take_output()?;
        let (sender, answers) = mpsc::channel();
        // The thread ends with the worker, or when nobody waits for answers any more.
        thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { peer, process, answers })
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Has the job done once.
    pub(crate) fn work(&mut self, operations: u64) -> anyhow::Result<Measured> {
        writeln!(self.process.input()?, "{operations}").context("the worker has ended")?;
        match self.answers.recv_timeout(LIMIT) {
            Ok(line) => line?.parse(),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(anyhow!("not done within {} s", LIMIT.as_secs())),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(anyhow!("the worker has ended")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_three_numbers() {
        let measured: Measured = "1000 2000 3000".parse().unwrap();
        let (elapsed, cpu) = (Duration::from_nanos(2000), Duration::from_nanos(3000));
        assert_eq!(measured, Measured { operations: 1000, elapsed, cpu });
        assert!("1000 2000".parse::<Measured>().is_err());
        assert!("1000 2000 x".parse::<Measured>().is_err());
    }
}
