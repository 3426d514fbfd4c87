//! The peers: runtimes, and loops written by hand that show what the kernel allows.
//!
//! To add one: a file with a `PEER`, its `mod` line and its entry in [`ALL`]. A peer serves a workload once its
//! `servers` name it.

mod anyio;
mod raw_epoll;
mod raw_multishot;
mod raw_oneshot;
mod tokio;

use crate::server::Ready;

/// All peers, in the order of the tables.
pub(crate) static ALL: &[&Peer] =
    &[&anyio::URING, &anyio::POLL, &tokio::PEER, &raw_oneshot::PEER, &raw_multishot::PEER, &raw_epoll::PEER];

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
}

impl Peer {
    /// This peer's server for a workload.
    pub(crate) fn server(&self, workload: &str) -> Option<Serve> {
        self.servers.iter().find(|(name, _)| *name == workload).map(|(_, serve)| *serve)
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
pub(crate) fn packages(peers: &[&Peer]) -> Vec<&'static str> {
    let mut packages: Vec<_> = peers.iter().flat_map(|peer| peer.packages.iter().copied()).collect();
    packages.sort_unstable();
    packages.dedup();
    packages
}
