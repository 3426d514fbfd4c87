//! smol with one executor on one thread.

mod cancel;
mod processes;
mod tasks;

use std::{future::Future, io, net::Ipv4Addr, rc::Rc};

use smol::{
    LocalExecutor, Task,
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{
    Peer,
    connection::{Connection, serve_bulk, serve_http},
};
use crate::measuring::{
    job::Order,
    ready::Ready,
    stopwatch::{Measured, measure},
};

pub(crate) static PEER: Peer = Peer {
    name: "smol",
    about: "smol, LocalExecutor",
    packages: &["smol", "async-executor", "async-io"],
    by_hand: false,
    servers: &[
        ("echo", |ready| listen(ready, echo)),
        ("http", |ready| listen(ready, serve_http)),
        ("stream", |ready| listen(ready, serve_bulk)),
    ],
    jobs: &[("tasks", tasks::JOBS), ("cancel", cancel::JOBS), ("processes", processes::JOBS)],
};

thread_local! {
    static EXECUTOR: Rc<LocalExecutor<'static>> = Rc::new(LocalExecutor::new());
}

fn spawn<T: 'static>(work: impl Future<Output = T> + 'static) -> Task<T> {
    EXECUTOR.with(|executor| executor.spawn(work))
}

fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let executor = EXECUTOR.with(Rc::clone);
    smol::block_on(executor.run(work))
}

/// Does a row's work.
fn run(order: &Order, work: impl AsyncFnMut(u64) -> anyhow::Result<()>) -> anyhow::Result<Measured> {
    block_on(measure(order.operations, work))
}

fn listen<F>(ready: Ready, connection: fn(TcpStream) -> F) -> anyhow::Result<()>
where
    F: Future<Output = io::Result<()>> + 'static,
{
    block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        ready.listening_on(listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            spawn(async move {
                // A connection that breaks ends alone; the load notices what it misses.
                let _ = stream.set_nodelay(true);
                let _ = connection(stream).await;
            })
            .detach();
        }
    })
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

fn sleep(duration: ::std::time::Duration) -> ::smol::Timer {
    ::smol::Timer::after(duration)
}
