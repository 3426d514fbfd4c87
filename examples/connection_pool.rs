//! A pool of connections: an object that has something to do in the background for the length of its life.
//!
//!     cargo run --example connection_pool
//!
//! The pool is a function that takes a closure. So what runs in the background is within a group that ends with the closure,
//! what it fails with reaches who uses the pool, and nothing of it is left over, also when the closure fails or is cancelled.

use anyio::{
    Result, gather,
    net::{TcpListener, TcpStream},
    sleep,
    sync::Semaphore,
    task_group,
};
use clap::Parser;
use output::say;
use std::{
    cell::RefCell,
    net::SocketAddr,
    process::ExitCode,
    time::{Duration, Instant},
};

#[path = "shared/output.rs"]
mod output;

/// So many connections are open at most.
const MOST: usize = 4;

/// A connection that nobody has used for so long is closed.
const PATIENCE: Duration = Duration::from_millis(100);

/// Connections to one server, which those take in turns who have something to say.
struct Pool {
    address: SocketAddr,
    room: Semaphore,
    idle: RefCell<Vec<(TcpStream, Instant)>>,
}

/// Lends a pool to `body`. The connections are closed when that is over.
async fn with_pool<T>(address: SocketAddr, body: impl AsyncFnOnce(&Pool) -> Result<T>) -> Result<T> {
    let pool = Pool { address, room: Semaphore::new(MOST), idle: RefCell::default() };
    let ended = task_group(async |tg| -> Result<T> {
        tg.start_soon(pool.close_idle());
        let value = body(&pool).await?;
        tg.cancel();
        Ok(value)
    });
    Ok(ended.await?.expect("nobody else cancels the group"))
}

impl Pool {
    /// Does something with a connection, when one is free. One that fails, or is given up half-way, is not used again.
    async fn with_connection<T>(&self, work: impl AsyncFnOnce(&TcpStream) -> Result<T>) -> Result<T> {
        let _permit = self.room.acquire().await?;
        let idle = self.idle.borrow_mut().pop();
        let stream = match idle {
            Some((stream, _)) => stream,
            None => TcpStream::connect(self.address).await?,
        };
        let result = work(&stream).await?;
        self.idle.borrow_mut().push((stream, Instant::now()));
        Ok(result)
    }

    /// Closes what nobody has used for long, until it is cancelled.
    async fn close_idle(&self) -> Result<()> {
        loop {
            sleep(PATIENCE / 2).await?;
            let (fresh, stale) =
                self.idle.take().into_iter().partition(|(_, since)| since.elapsed() < PATIENCE);
            self.idle.replace(fresh);
            let stale: Vec<(TcpStream, Instant)> = stale;
            for (stream, _) in stale {
                stream.close().await?;
            }
        }
    }

    fn idle(&self) -> usize {
        self.idle.borrow().len()
    }
}

/// Sends a word and receives it again.
async fn ask(stream: &TcpStream) -> Result<()> {
    stream.send("hello").await?;
    stream.receive().await?.ok_or(anyio::Error::EndOfStream)?;
    Ok(())
}

async fn run() -> Result<()> {
    task_group(async |tg| -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        tg.start_soon(async move {
            listener
                .serve(async |stream: TcpStream| -> Result<()> {
                    while let Some(chunk) = stream.receive().await? {
                        stream.send(chunk).await?;
                    }
                    Ok(())
                })
                .await?;
            Ok(())
        });
        let (after_use, later) = with_pool(address, async |pool| {
            gather((0..20).map(|_| pool.with_connection(ask))).await?;
            let after_use = pool.idle();
            sleep(PATIENCE * 2).await?;
            Ok((after_use, pool.idle()))
        })
        .await?;
        say!("20 questions over {after_use} connections; after a pause {later} are open")?;
        tg.cancel();
        Ok(())
    })
    .await?;
    Ok(())
}

/// Asks a server 20 questions at once by a pool of connections.
#[derive(Debug, Parser)]
struct Arguments {}

fn main() -> ExitCode {
    Arguments::parse();
    output::conclude(anyio::run(run).map(|()| ExitCode::SUCCESS))
}
