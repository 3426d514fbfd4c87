//! glommio.
//!
//! The one unsafe block hands a listener over by its descriptor, as there is no safe way to.

mod cancel;
mod files;
mod tasks;

use std::{
    future::Future,
    io,
    net::Ipv4Addr,
    os::fd::{FromRawFd, IntoRawFd},
    thread::available_parallelism,
};

use futures_util::{AsyncReadExt, AsyncWriteExt};
use glommio::{
    LocalExecutorBuilder, Placement,
    net::{TcpListener, TcpStream},
};

use super::{
    Peer,
    connection::{Connection, serve_bulk, serve_http},
    cores::on_each_core,
};
use crate::measuring::{
    job::Order,
    ready::Ready,
    stopwatch::{Measured, measure},
};

pub(crate) static PEER: Peer = Peer {
    name: "glommio",
    about: "glommio",
    packages: &["glommio"],
    by_hand: false,
    servers: &[
        ("echo", |ready| listen(ready, echo)),
        ("echo-all-cores", echo_on_all_cores),
        ("http", |ready| listen(ready, serve_http)),
        ("stream", |ready| listen(ready, serve_bulk)),
    ],
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

fn listen<F>(ready: Ready, connection: fn(TcpStream) -> F) -> anyhow::Result<()>
where
    F: Future<Output = io::Result<()>> + 'static,
{
    block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(io::Error::from)?;
        ready.listening_on(listener.local_addr().map_err(io::Error::from)?)?;
        serve_all(listener, connection).await
    })
}

fn echo_on_all_cores(ready: Ready) -> anyhow::Result<()> {
    on_each_core(available_parallelism()?.get(), true, ready, |listener| {
        block_on(async {
            // SAFETY: the descriptor is that of a listener, and was just given up by its owner.
            let listener = unsafe { TcpListener::from_raw_fd(listener.into_raw_fd()) };
            serve_all(listener, echo).await
        })
    })
}

async fn serve_all<F>(listener: TcpListener, connection: fn(TcpStream) -> F) -> anyhow::Result<()>
where
    F: Future<Output = io::Result<()>> + 'static,
{
    loop {
        let stream = listener.accept().await.map_err(io::Error::from)?;
        glommio::spawn_local(async move {
            // A connection that breaks ends alone; the load notices what it misses.
            let _ = stream.set_nodelay(true);
            let _ = connection(stream).await;
        })
        .detach();
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..length]).await?;
    }
}

impl Connection for TcpStream {
    async fn receive(&mut self, mut buffer: Vec<u8>) -> io::Result<(Vec<u8>, usize)> {
        let length = self.read(&mut buffer).await?;
        Ok((buffer, length))
    }

    async fn send_all(&mut self, buffer: Vec<u8>) -> io::Result<Vec<u8>> {
        self.write_all(&buffer).await?;
        Ok(buffer)
    }
}
