//! tokio with its current_thread scheduler.

mod cancel;
mod files;
mod hyper;
mod multi_thread;
mod pinned;
mod processes;
mod quinn;
mod tasks;
mod tls;
#[cfg(feature = "tonic")]
mod tonic;
mod udp;

use std::{future::Future, io, net::Ipv4Addr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Builder, Runtime},
};

pub(crate) use {multi_thread::PEER as MULTI_THREAD, pinned::PEER as PINNED, quinn::PEER as QUINN};

use super::{
    Peer,
    connection::{Connection, serve_bulk, serve_echo, serve_http},
    effort,
};
use crate::measuring::{
    job::Order,
    ready::Ready,
    stopwatch::{Measured, measure},
};

pub(crate) static PEER: Peer = Peer {
    name: "tokio",
    about: "tokio, current_thread",
    packages: &["tokio", "mio", "tokio-rustls"],
    by_hand: false,
    servers: &[
        ("echo", |ready| runtime()?.block_on(listen(ready, echo))),
        ("http", |ready| runtime()?.block_on(listen(ready, serve_http))),
        ("hyper", hyper::serve),
        ("hyper-http2", hyper::serve_http2),
        ("hyper-tls", hyper::serve_tls),
        ("axum", hyper::serve_axum),
        #[cfg(feature = "tonic")]
        ("tonic", tonic::serve),
        ("stream", |ready| runtime()?.block_on(listen(ready, serve_bulk))),
        ("tls-echo", |ready| tls::serve(ready, serve_echo)),
        ("tls-stream", |ready| tls::serve(ready, serve_bulk)),
    ],
    jobs: &[
        ("tasks", tasks::JOBS),
        ("cancel", cancel::JOBS),
        ("udp", udp::JOBS),
        ("files", files::JOBS),
        ("processes", processes::JOBS),
    ],
};

pub(crate) static BLOCK_ON: Peer = Peer {
    name: "tokio-block-on",
    about: "tokio, current_thread, in the future of block_on instead of a task",
    packages: &["tokio"],
    by_hand: false,
    servers: &[],
    jobs: &[("tasks", tasks::BLOCK_ON)],
};

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Does a row's work in a runtime of its own.
fn run(order: &Order, work: impl AsyncFnMut(u64) -> anyhow::Result<()>) -> anyhow::Result<Measured> {
    runtime()?.block_on(measure(order.operations, work))
}

async fn listen<F>(
    ready: Ready,
    connection: impl Fn(TcpStream) -> F + Clone + Send + 'static,
) -> anyhow::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    ready.listening_on(listener.local_addr()?)?;
    serve_all(listener, connection).await
}

async fn serve_all<F>(
    listener: TcpListener,
    connection: impl Fn(TcpStream) -> F + Clone + Send + 'static,
) -> anyhow::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    loop {
        let (stream, _) = listener.accept().await?;
        let connection = connection.clone();
        tokio::spawn(async move {
            // A connection that breaks ends alone; the load notices what it misses.
            let _ = stream.set_nodelay(true);
            let _ = connection(stream).await;
        });
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

/// Does what work each message asks for before it comes back.
async fn echo_with_effort(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = stream.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        effort::take(&buffer[..length]);
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
