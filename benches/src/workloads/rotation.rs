//! One cell of a request workload: all servers alive, the load rotating between them in short slices.
//!
//! The speed of a shared host drifts within minutes. Slices of one rotation see nearly the same host, so only
//! their ratios are compared. The order within a rotation is shuffled, lest one peer always follow another.

use std::{thread, time::Duration};

use anyhow::{Context, ensure};
use hdrhistogram::Histogram;
use indicatif::ProgressBar;

use crate::{
    measuring::{
        cell::Cell,
        interrupt::Interrupt,
        load::Load,
        measure::{Counters, CpuClock, Growth, resident_bytes, run_queue_wait},
        results::{CellResult, Failure, Latency, PeerResult, Slice},
        system_calls::SystemCalls,
    },
    peers::Peer,
    workloads::server::Server,
};

/// How long a server gets after its last answer to go back to sleep before its processor time is read.
const SETTLE: Duration = Duration::from_micros(200);

/// Descriptors a process needs beside its connections.
const SPARE_FILES: usize = 100;

/// How the cells of a run are measured.
pub(crate) struct Plan {
    /// The peers, each with the name of the server that it runs.
    pub(crate) servers: Vec<(&'static Peer, &'static str)>,
    pub(crate) reference: &'static Peer,
    pub(crate) rounds: u32,
    pub(crate) slice: Duration,
    /// The processor of the servers, or none in particular.
    pub(crate) server_core: Option<usize>,
    pub(crate) open_files: usize,
}

impl Plan {
    /// Which servers are alive together; the reference is in each group.
    fn groups(&self, cell: Cell) -> anyhow::Result<Vec<Vec<(&'static Peer, &'static str)>>> {
        let capacity = self.open_files.saturating_sub(SPARE_FILES) / cell.connections;
        if self.servers.len() <= capacity {
            return Ok(vec![self.servers.clone()]);
        }
        ensure!(capacity >= 2, "{cell} needs more open files than the limit of {}", self.open_files);
        let is_reference = |(peer, _): &(&Peer, _)| peer.name == self.reference.name;
        let (references, others): (Vec<_>, Vec<_>) = self.servers.iter().copied().partition(is_reference);
        Ok(others.chunks(capacity - 1).map(|others| [&references[..], others].concat()).collect())
    }

    /// How many slices a cell takes, the warm-up included.
    pub(crate) fn slices(&self, cell: Cell) -> anyhow::Result<u64> {
        let servers: usize = self.groups(cell)?.iter().map(Vec::len).sum();
        Ok(servers as u64 * (u64::from(self.rounds) + 1))
    }

    /// Measures all peers at one cell.
    pub(crate) fn measure<L: Load>(
        &self,
        cell: Cell,
        load: &mut L,
        random: &mut fastrand::Rng,
        interrupt: &Interrupt,
        progress: &ProgressBar,
    ) -> anyhow::Result<CellResult> {
        let mut failures = Vec::new();
        let mut tallies: Vec<Tally> = Vec::new();
        for (peer, _) in &self.servers {
            tallies.push(Tally::new(peer)?);
        }
        for (group, servers) in self.groups(cell)?.iter().enumerate() {
            let mut runners = Vec::new();
            for (peer, server) in servers {
                progress.set_message(format!("{cell} starting {}", peer.name));
                match Runner::start(self, peer, server, cell, load, interrupt) {
                    Ok(runner) => runners.push(runner),
                    Err(error) => failures.push(self.failure(peer, 0, &error, load, interrupt)?),
                }
            }
            progress.set_message(cell.to_string());
            // The first rotation warms up and is not counted.
            for rotation in 0..=self.rounds {
                random.shuffle(&mut runners);
                let mut running = Vec::new();
                for mut runner in runners {
                    interrupt.check()?;
                    let turn = runner.turn(self.slice, group, rotation, load, interrupt);
                    progress.inc(1);
                    match turn {
                        Ok(()) => running.push(runner),
                        Err(error) => {
                            let peer = runner.server.peer;
                            failures.push(self.failure(peer, rotation, &error, load, interrupt)?);
                        }
                    }
                }
                runners = running;
            }
            for runner in runners {
                for tally in tallies.iter_mut().filter(|tally| tally.peer.name == runner.server.peer.name) {
                    tally.add(&runner)?;
                }
            }
        }
        tallies.retain(|tally| !tally.slices.is_empty());
        let peers = tallies.into_iter().map(Tally::finish).collect();
        Ok(CellResult::new(cell, peers, failures, self.reference.name))
    }

    /// Notes that a peer is out of this cell; without the reference there is nothing to compare with.
    fn failure<L: Load>(
        &self,
        peer: &Peer,
        rotation: u32,
        error: &anyhow::Error,
        load: &mut L,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Failure> {
        interrupt.check()?;
        ensure!(peer.name != self.reference.name, "{}: {error:#}", peer.name);
        load.forget()?;
        Ok(Failure { peer: peer.name.to_owned(), rotation, error: format!("{error:#}") })
    }
}

/// A server under load.
struct Runner<L: Load> {
    // Dropped in this order: connections are reset before their server is killed.
    connections: L::Connections,
    server: Server,
    clock: CpuClock,
    after_warm_up: Counters,
    slices: Vec<Slice>,
    latencies: Histogram<u64>,
    slice_latencies: Histogram<u64>,
    system_calls: Option<f64>,
}

impl<L: Load> Runner<L> {
    fn start(
        plan: &Plan,
        peer: &'static Peer,
        server: &str,
        cell: Cell,
        load: &mut L,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let server = Server::start(server, peer, plan.server_core)?;
        let connections = load.open(server.address, cell, interrupt);
        Ok(Self {
            connections: connections.with_context(|| format!("connecting to {}", peer.name))?,
            clock: CpuClock::of(server.pid())?,
            after_warm_up: Counters::of(server.pid())?,
            slices: Vec::new(),
            latencies: latency_histogram()?,
            slice_latencies: latency_histogram()?,
            system_calls: None,
            server,
        })
    }

    /// Loads the server for a slice, and keeps the figures unless it is the one that warms up.
    fn turn(
        &mut self,
        length: Duration,
        group: usize,
        rotation: u32,
        load: &mut L,
        interrupt: &Interrupt,
    ) -> anyhow::Result<()> {
        let pid = self.server.pid();
        if rotation > 0 {
            let slice = self.slice(length, load, interrupt)?;
            self.latencies.add(&self.slice_latencies)?;
            self.slices.push(Slice { group, rotation, ..slice });
        } else {
            // Counting slows system calls down, so it ends with the warm-up.
            let counter = SystemCalls::of(pid);
            let slice = self.slice(length, load, interrupt)?;
            let calls = counter.ok().and_then(|counter| counter.read().ok());
            self.system_calls = calls.map(|calls| calls as f64 / slice.requests as f64);
            self.after_warm_up = Counters::of(pid)?;
        }
        Ok(())
    }

    fn slice(&mut self, length: Duration, load: &mut L, interrupt: &Interrupt) -> anyhow::Result<Slice> {
        self.slice_latencies.reset();
        let pid = self.server.pid();
        let (cpu, wait) = (self.clock.now()?, run_queue_wait(pid)?);
        let served = load.drive(&mut self.connections, length, &mut self.slice_latencies, interrupt);
        let served = served.with_context(|| format!("loading {}", self.server.peer.name))?;
        thread::sleep(SETTLE);
        Ok(Slice {
            group: 0,
            rotation: 0,
            requests: served.requests,
            elapsed_nanoseconds: served.elapsed.as_nanos() as u64,
            cpu_nanoseconds: (self.clock.now()? - cpu).as_nanos() as u64,
            run_queue_wait_nanoseconds: (run_queue_wait(pid)? - wait).as_nanos() as u64,
            latency: Latency::of(&self.slice_latencies),
        })
    }
}

/// One peer's figures over all groups it ran in.
struct Tally {
    peer: &'static Peer,
    slices: Vec<Slice>,
    latencies: Histogram<u64>,
    growth: Growth,
    system_calls: Option<f64>,
    resident_bytes: u64,
}

impl Tally {
    fn new(peer: &'static Peer) -> anyhow::Result<Self> {
        let (slices, growth) = (Vec::new(), Growth::default());
        Ok(Self {
            peer,
            slices,
            latencies: latency_histogram()?,
            growth,
            system_calls: None,
            resident_bytes: 0,
        })
    }

    fn add<L: Load>(&mut self, runner: &Runner<L>) -> anyhow::Result<()> {
        let pid = runner.server.pid();
        let growth = Counters::of(pid)?.since(&runner.after_warm_up);
        self.growth.user_ticks += growth.user_ticks;
        self.growth.system_ticks += growth.system_ticks;
        self.growth.voluntary_switches += growth.voluntary_switches;
        self.growth.involuntary_switches += growth.involuntary_switches;
        self.system_calls = runner.system_calls.or(self.system_calls);
        self.resident_bytes = self.resident_bytes.max(resident_bytes(pid)?);
        self.slices.extend_from_slice(&runner.slices);
        self.latencies.add(&runner.latencies)?;
        Ok(())
    }

    fn finish(self) -> PeerResult {
        PeerResult::new(
            (self.peer.name, self.peer.by_hand),
            self.slices,
            &self.latencies,
            self.growth,
            self.system_calls,
            self.resident_bytes,
        )
    }
}

/// Nanoseconds up to a minute, to three digits.
fn latency_histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 60_000_000_000, 3)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers;

    fn names(open_files: usize, cell: &str) -> anyhow::Result<Vec<Vec<&'static str>>> {
        let peers = ["tokio", "raw-oneshot", "raw-multishot", "raw-epoll"];
        let servers: Vec<_> = peers.iter().map(|name| (peers::named(name).unwrap(), "echo")).collect();
        let reference = servers[0].0;
        let slice = Duration::from_millis(100);
        let server_core = Some(0);
        let plan = Plan { servers, reference, rounds: 1, slice, server_core, open_files };
        let groups = plan.groups(cell.parse().unwrap())?;
        Ok(groups.iter().map(|group| group.iter().map(|(peer, _)| peer.name).collect()).collect())
    }

    #[test]
    fn peers_that_fit_run_together() {
        assert_eq!(names(20_000, "500x1K").unwrap().len(), 1);
    }

    #[test]
    fn peers_that_do_not_fit_run_in_groups_that_all_hold_the_reference() {
        let groups = names(20_000, "5000x64").unwrap();
        assert_eq!(groups, [vec!["tokio", "raw-oneshot", "raw-multishot"], vec!["tokio", "raw-epoll"]]);
    }

    #[test]
    fn a_cell_for_which_no_pair_fits_is_refused() {
        assert!(names(20_000, "15000x64").is_err());
    }
}
