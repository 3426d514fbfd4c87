//! anyio, on each of its back ends. Connections are children of one task group.

mod cancel;
mod files;
mod processes;
mod tasks;

use std::net::Ipv4Addr;

use anyio::{
    Backend, Builder, Error,
    net::{TcpListener, TcpStream},
};

use super::Peer;
use crate::{
    server::Ready,
    stopwatch::{Measured, measure},
    worker::Order,
};

pub(crate) static URING: Peer = Peer {
    name: "anyio-uring",
    about: "anyio on io_uring",
    packages: &["anyio", "io-uring"],
    by_hand: false,
    servers: &[("echo", echo_uring)],
    jobs: &[
        ("tasks", tasks::URING),
        ("cancel", cancel::URING),
        ("files", files::URING),
        ("processes", processes::URING),
    ],
};

pub(crate) static POLL: Peer = Peer {
    name: "anyio-poll",
    about: "anyio on epoll",
    packages: &["anyio", "mio"],
    by_hand: false,
    servers: &[("echo", echo_poll)],
    jobs: &[
        ("tasks", tasks::POLL),
        ("cancel", cancel::POLL),
        ("files", files::POLL),
        ("processes", processes::POLL),
    ],
};

/// The same jobs on one of the back ends.
macro_rules! jobs {
    ($backend:expr; $($name:literal => $job:path,)*) => {
        &[$(($name, |order| $job($backend, order))),*]
    };
}

use jobs;

/// Does a row's work in a run of its own.
fn run(
    backend: Backend,
    order: &Order,
    work: impl AsyncFnMut(u64) -> anyio::Result<()>,
) -> anyhow::Result<Measured> {
    Builder::new().backend(backend).run(async || measure(order.operations, work).await)?
}

fn echo_uring(ready: Ready) -> anyhow::Result<()> {
    echo(Backend::Uring, ready)
}

fn echo_poll(ready: Ready) -> anyhow::Result<()> {
    echo(Backend::Poll, ready)
}

fn echo(backend: Backend, ready: Ready) -> anyhow::Result<()> {
    Builder::new().backend(backend).run(async || -> anyhow::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        ready.listening_on(listener.local_addr()?)?;
        listener.serve(echo_connection).await?;
        Ok(())
    })?
}

async fn echo_connection(stream: TcpStream) -> anyio::Result<()> {
    let echoed = async {
        while let Some(chunk) = stream.receive().await? {
            stream.send(chunk).await?;
        }
        Ok(())
    }
    .await;
    match echoed {
        Err(error @ Error::Cancelled(_)) => Err(error),
        // A connection that breaks ends alone; the load notices what it misses.
        Ok(()) | Err(_) => Ok(()),
    }
}
