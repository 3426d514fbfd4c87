//! compio on io_uring, with the options of the ring that its documentation has for a single thread.

mod cancel;
mod files;
mod processes;
mod tasks;
mod tls;
mod udp;

use std::{future::Future, io, net::Ipv4Addr, thread::available_parallelism};

use compio::{
    buf::BufResult,
    driver::ProactorBuilder,
    io::{AsyncRead, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::{Runtime, RuntimeBuilder},
};

use super::{
    Peer,
    connection::{Connection, serve_bulk, serve_echo, serve_http},
    cores::on_each_core,
};
use crate::measuring::{
    job::Order,
    ready::Ready,
    stopwatch::{Measured, measure},
};

pub(crate) static PEER: Peer = Peer {
    name: "compio",
    about: "compio on io_uring: SINGLE_ISSUER, DEFER_TASKRUN, TASKRUN_FLAG",
    packages: &["compio", "compio-runtime", "compio-driver", "compio-tls"],
    by_hand: false,
    servers: &[
        ("echo", |ready| listen(ready, echo)),
        ("echo-all-cores", echo_on_all_cores),
        ("http", |ready| listen(ready, serve_http)),
        ("stream", |ready| listen(ready, serve_bulk)),
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

/// As large a ring as thousands of operations need to be cancelled in it.
const RING_ENTRIES: u32 = 16_384;

fn runtime() -> std::io::Result<Runtime> {
    let mut ring = ProactorBuilder::new();
    ring.capacity(RING_ENTRIES).single_issuer(true).defer_taskrun(true).coop_taskrun(true).taskrun_flag(true);
    RuntimeBuilder::new().with_proactor(ring).build()
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    runtime()?.block_on(work)
}

/// Does a row's work in a runtime of its own.
fn run(order: &Order, work: impl AsyncFnMut(u64) -> anyhow::Result<()>) -> anyhow::Result<Measured> {
    block_on(measure(order.operations, work))
}

fn listen<F>(ready: Ready, connection: impl Fn(TcpStream) -> F + Clone + 'static) -> anyhow::Result<()>
where
    F: Future<Output = io::Result<()>> + 'static,
{
    block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        ready.listening_on(listener.local_addr()?)?;
        serve_all(listener, connection).await
    })
}

fn echo_on_all_cores(ready: Ready) -> anyhow::Result<()> {
    on_each_core(available_parallelism()?.get(), true, ready, |listener| {
        block_on(async { serve_all(TcpListener::from_std(listener)?, echo).await })
    })
}

async fn serve_all<F>(
    listener: TcpListener,
    connection: impl Fn(TcpStream) -> F + Clone + 'static,
) -> anyhow::Result<()>
where
    F: Future<Output = io::Result<()>> + 'static,
{
    loop {
        let (stream, _) = listener.accept().await?;
        let connection = connection.clone();
        compio::runtime::spawn(async move {
            // A connection that breaks ends alone; the load notices what it misses.
            let _ = stream.set_nodelay(true);
            let _ = connection(stream).await;
        })
        .detach();
    }
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        let BufResult(received, filled) = stream.read(buffer).await;
        if received? == 0 {
            return Ok(());
        }
        let BufResult(sent, emptied) = stream.write_all(filled).await;
        sent?;
        buffer = emptied;
        buffer.clear();
    }
}

impl Connection for TcpStream {
    async fn receive(&mut self, buffer: Vec<u8>) -> io::Result<(Vec<u8>, usize)> {
        let BufResult(received, buffer) = self.read(buffer).await;
        Ok((buffer, received?))
    }

    async fn send_all(&mut self, buffer: Vec<u8>) -> io::Result<Vec<u8>> {
        let BufResult(sent, buffer) = self.write_all(buffer).await;
        sent?;
        Ok(buffer)
    }
}
