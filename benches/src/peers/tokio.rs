//! tokio with its current_thread scheduler.

mod cancel;
mod files;
mod multi_thread;
mod pinned;
mod processes;
mod tasks;

use std::net::Ipv4Addr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};

pub(crate) use {multi_thread::PEER as MULTI_THREAD, pinned::PEER as PINNED};

use super::Peer;
use crate::{
    server::Ready,
    stopwatch::{Measured, measure},
    worker::Order,
};

pub(crate) static PEER: Peer = Peer {
    name: "tokio",
    about: "tokio, current_thread",
    packages: &["tokio", "mio"],
    by_hand: false,
    servers: &[("echo", echo)],
    jobs: &[
        ("tasks", tasks::JOBS),
        ("cancel", cancel::JOBS),
        ("files", files::JOBS),
        ("processes", processes::JOBS),
    ],
};

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Does a row's work in a runtime of its own.
fn run(order: &Order, work: impl AsyncFnMut(u64) -> anyhow::Result<()>) -> anyhow::Result<Measured> {
    runtime()?.block_on(measure(order.operations, work))
}

fn echo(ready: Ready) -> anyhow::Result<()> {
    runtime()?.block_on(listen_and_echo(ready))
}

async fn listen_and_echo(ready: Ready) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    ready.listening_on(listener.local_addr()?)?;
    echo_all(listener).await
}

async fn echo_all(listener: TcpListener) -> anyhow::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(async move {
            // A connection that breaks ends alone; the load notices what it misses.
            let _ = echo_connection(stream).await;
        });
    }
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
