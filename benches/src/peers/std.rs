//! The standard library, which blocks: a thread for each of what is done at a time.

mod files;
mod processes;

use std::{future::Future, pin::pin, task};

use super::Peer;

pub(crate) static PEER: Peer = Peer {
    name: "std",
    about: "the standard library, a thread for each operation at a time",
    packages: &[],
    by_hand: false,
    servers: &[],
    jobs: &[("files", files::JOBS), ("processes", processes::JOBS)],
};

/// Runs a future that never waits.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    match pin!(work).poll(&mut task::Context::from_waker(task::Waker::noop())) {
        task::Poll::Ready(result) => result,
        task::Poll::Pending => anyhow::bail!("blocking work has waited"),
    }
}

/// Does shares of something in threads, or all of it here if there is but one share.
fn in_threads(
    shares: impl Iterator<Item = u64>,
    work: impl Fn(u64, u64) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<()> {
    let shares: Vec<_> = (0..).zip(shares).collect();
    if let [(task, share)] = shares[..] {
        return work(task, share);
    }
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> =
            shares.into_iter().map(|(task, share)| scope.spawn(move || work(task, share))).collect();
        for thread in threads {
            thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
        }
        Ok(())
    })
}
