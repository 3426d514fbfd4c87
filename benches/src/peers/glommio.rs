//! glommio.

mod cancel;
mod files;
mod tasks;

use std::{future::Future, net::Ipv4Addr};

use futures_util::{AsyncReadExt, AsyncWriteExt};
use glommio::{
    LocalExecutorBuilder, Placement,
    net::{TcpListener, TcpStream},
};

use super::Peer;
use crate::{
    server::Ready,
    stopwatch::{Measured, measure},
    worker::Order,
};

pub(crate) static PEER: Peer = Peer {
    name: "glommio",
    about: "glommio",
    packages: &["glommio"],
    by_hand: false,
    servers: &[("echo", echo)],
    jobs: &[("tasks", tasks::JOBS), ("cancel", cancel::JOBS), ("files", files::JOBS)],
};

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let executor = LocalExecutorBuilder::new(Placement::Unbound).make();
    executor.map_err(|error| anyhow::anyhow!("{error}"))?.run(work)
}

/// Does a row's work in an executor of its own.
fn run(order: &Order, work: impl AsyncFnMut(u64) -> anyhow::Result<()>) -> anyhow::Result<Measured> {
    block_on(measure(order.operations, work))
}

fn echo(ready: Ready) -> anyhow::Result<()> {
    block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(std::io::Error::from)?;
        ready.listening_on(listener.local_addr().map_err(std::io::Error::from)?)?;
        loop {
            let stream = listener.accept().await.map_err(std::io::Error::from)?;
            glommio::spawn_local(async move {
                // A connection that breaks ends alone; the load notices what it misses.
                let _ = echo_connection(stream).await;
            })
            .detach();
        }
    })
}

async fn echo_connection(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..length]).await?;
    }
}
