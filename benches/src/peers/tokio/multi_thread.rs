//! tokio with its default scheduler.

use tokio::runtime::Builder;

use super::listen_and_echo;
use crate::{peers::Peer, server::Ready};

pub(crate) static PEER: Peer = Peer {
    name: "tokio-mt",
    about: "tokio, multi_thread with two workers that share the servers' processor",
    packages: &["tokio", "mio"],
    by_hand: false,
    servers: &[("echo", echo)],
    jobs: &[],
};

/// What the default is on a machine of two processors.
const WORKERS: usize = 2;

fn echo(ready: Ready) -> anyhow::Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    runtime.block_on(async { tokio::spawn(listen_and_echo(ready)).await? })
}
