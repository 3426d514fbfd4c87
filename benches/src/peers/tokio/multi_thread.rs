//! tokio with its default scheduler.

use std::{future::Future, io, thread::available_parallelism};

use tokio::{net::TcpStream, runtime::Builder};

use super::{echo, echo_with_effort, hyper, listen};
use crate::{
    measuring::ready::Ready,
    peers::{
        Peer,
        connection::{serve_bulk, serve_http},
    },
};

pub(crate) static PEER: Peer = Peer {
    name: "tokio-mt",
    about: "tokio, multi_thread with two workers that share the servers' processor",
    packages: &["tokio", "mio"],
    by_hand: false,
    servers: &[
        ("echo", |ready| serve(WORKERS, ready, echo)),
        ("echo-all-cores", |ready| serve(available_parallelism()?.get(), ready, echo)),
        ("echo-skewed", |ready| serve(available_parallelism()?.get(), ready, echo_with_effort)),
        ("http", |ready| serve(WORKERS, ready, serve_http)),
        ("hyper", |ready| serve(WORKERS, ready, hyper::connection)),
        ("stream", |ready| serve(WORKERS, ready, serve_bulk)),
    ],
    jobs: &[],
};

/// What the default is on a machine of two processors.
const WORKERS: usize = 2;

fn serve<F>(workers: usize, ready: Ready, connection: fn(TcpStream) -> F) -> anyhow::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let runtime = Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    runtime.block_on(async { tokio::spawn(listen(ready, connection)).await? })
}
