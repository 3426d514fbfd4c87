//! The peers: runtimes, and loops written by hand that show what the kernel allows.
//!
//! To add one: a file with a `PEER`, its `mod` line and its entry in [`ALL`]. A peer serves a workload once its
//! `servers` or `jobs` name it.

mod answering;
mod anyio;
mod compio;
pub(crate) mod connection;
mod cores;
mod datagrams;
mod effort;
mod file_jobs;
mod glommio;
mod monoio;
mod plain_jobs;
mod raw_bundle;
mod raw_direct;
mod raw_epoll;
mod raw_mmsg;
mod raw_multishot;
mod raw_oneshot;
mod raw_ring;
mod raw_zerocopy;
mod relay;
mod smol;
mod std;
mod tokio;
mod tokio_uring;
mod yielders;

use crate::measuring::{job::Job, ready::Ready};

/// All peers, in the order of the tables.
pub(crate) static ALL: &[&Peer] = &[
    &anyio::URING,
    &anyio::URING_SPIN,
    &anyio::POLL,
    &anyio::URING_GUEST,
    &anyio::POLL_GUEST,
    &tokio::PEER,
    &tokio::BLOCK_ON,
    &tokio::MULTI_THREAD,
    &tokio::PINNED,
    &tokio::QUINN,
    &tokio_uring::PEER,
    &monoio::PEER,
    &compio::PEER,
    &glommio::PEER,
    &smol::PEER,
    &std::PEER,
    &raw_oneshot::PEER,
    &raw_multishot::PEER,
    &raw_direct::PEER,
    &raw_bundle::PEER,
    &raw_epoll::PEER,
    &raw_mmsg::PEER,
    &raw_zerocopy::PEER,
    &raw_ring::PEER,
    &raw_ring::FIXED,
];

/// Runs a server until the process ends.
pub(crate) type Serve = fn(Ready) -> anyhow::Result<()>;

/// Something to compare with.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    /// Packages whose versions belong into the report.
    pub(crate) packages: &'static [&'static str],
    /// A loop without an executor: a bound rather than a competitor.
    pub(crate) by_hand: bool,
    /// Workloads and this peer's servers for them.
    pub(crate) servers: &'static [(&'static str, Serve)],
    /// Workloads that are done in the peer's own process, and this peer's jobs for their rows.
    pub(crate) jobs: &'static [(&'static str, &'static [(&'static str, Job)])],
}

impl Peer {
    /// This peer's server for a workload.
    pub(crate) fn server(&self, workload: &str) -> Option<Serve> {
        self.servers.iter().find(|(name, _)| *name == workload).map(|(_, serve)| *serve)
    }

    /// This peer's way to do a job of a workload.
    pub(crate) fn job(&self, workload: &str, job: &str) -> Option<Job> {
        let (_, jobs) = self.jobs.iter().find(|(name, _)| *name == workload)?;
        jobs.iter().find(|(name, _)| *name == job).map(|(_, job)| *job)
    }

    /// The workloads that this peer takes part in.
    pub(crate) fn workloads(&self) -> impl Iterator<Item = &'static str> {
        let servers = self.servers.iter().map(|(workload, _)| *workload);
        servers.chain(self.jobs.iter().map(|(workload, _)| *workload))
    }
}

/// The peer with this name.
pub(crate) fn named(name: &str) -> Result<&'static Peer, String> {
    let unknown = || {
        let names: Vec<_> = ALL.iter().map(|peer| peer.name).collect();
        format!("no such peer; there are {}", names.join(", "))
    };
    ALL.iter().copied().find(|peer| peer.name == name).ok_or_else(unknown)
}

/// The packages of these peers, each once.
pub(crate) fn packages(peers: impl Iterator<Item = &'static Peer>) -> Vec<&'static str> {
    let mut packages: Vec<_> = peers.flat_map(|peer| peer.packages.iter().copied()).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}
