//! Prints what this host offers, which back end anyio would choose and why, and tries it.
//!
//!     cargo run --release --example doctor
//!     cargo run --release --example doctor -- --backend uring

use anyio::{Backend, Builder, Error, Result, fail_after, net::UnixStream};
use clap::Parser;
use output::say;
use std::{io, process::ExitCode, time::Duration};

#[path = "shared/output.rs"]
mod output;

/// Prints what this host offers, which back end anyio would choose and why, and tries it. Fails if the trial does.
#[derive(Debug, Parser)]
struct Arguments {
    /// Which back end to try: auto, uring or poll [default: what ANYIO_BACKEND in the environment names, or auto]
    #[arg(long)]
    backend: Option<Backend>,
}

fn main() -> ExitCode {
    output::conclude(examine(&Arguments::parse()))
}

fn examine(arguments: &Arguments) -> io::Result<ExitCode> {
    say!("{}", anyio::doctor::examine())?;
    let builder = match arguments.backend {
        Some(backend) => Builder::new().backend(backend),
        None => Builder::new(),
    };
    let tried = builder.run(async || -> Result<Option<Backend>> {
        fail_after(Duration::from_secs(5), greet()).await?;
        Ok(anyio::current_backend())
    });
    match tried {
        Ok(Ok(Some(backend))) => say!("trial: {backend} works")?,
        Ok(Ok(None)) => unreachable!("a run has a back end"),
        Ok(Err(error)) => {
            say!("trial: failed: {error}")?;
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => {
            say!("trial: could not begin: {error}")?;
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Sends something through a pair of sockets and sleeps a little.
async fn greet() -> Result<()> {
    let (left, right) = UnixStream::pair()?;
    left.send("hello").await?;
    let received = right.receive().await?;
    anyio::sleep(Duration::from_millis(1)).await?;
    left.close().await?;
    right.close().await?;
    match received {
        Some(chunk) if chunk[..] == *b"hello" => Ok(()),
        _ => Err(Error::EndOfStream),
    }
}
