//! Several runtimes of tokio, one on each of the servers' processors, with listeners of one address.

use std::{future::Future, io, thread::available_parallelism};

use tokio::net::TcpStream;

use super::{echo, echo_with_effort, runtime, serve_all};
use crate::{
    measuring::ready::Ready,
    peers::{Peer, connection::serve_http, cores::on_each_core},
};

pub(crate) static PEER: Peer = Peer {
    name: "tokio-pinned",
    about: "two current_thread runtimes of tokio with SO_REUSEPORT, sharing the servers' processor",
    packages: &["tokio", "mio"],
    by_hand: false,
    servers: &[
        ("echo", |ready| serve(RUNTIMES, false, ready, echo)),
        ("echo-all-cores", |ready| serve(available_parallelism()?.get(), true, ready, echo)),
        ("echo-skewed", |ready| serve(available_parallelism()?.get(), true, ready, echo_with_effort)),
        ("http", |ready| serve(RUNTIMES, false, ready, serve_http)),
    ],
    jobs: &[],
};

const RUNTIMES: usize = 2;

/// Runs so many runtimes, on a processor each if asked for.
fn serve<F>(runtimes: usize, pinned: bool, ready: Ready, connection: fn(TcpStream) -> F) -> anyhow::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    on_each_core(runtimes, pinned, ready, move |listener| {
        runtime()?
            .block_on(async { serve_all(tokio::net::TcpListener::from_std(listener)?, connection).await })
    })
}
