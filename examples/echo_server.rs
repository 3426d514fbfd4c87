//! An echo server: sends back whatever comes, on one or more cores.
//!
//!     cargo run --release --example echo_server -- --port 7000 --cores 2
//!
//! Ctrl-C ends it: it accepts no more, and what was received is sent back. What takes longer than the grace period is
//! cancelled, and all of it by the second Ctrl-C.

use anyio::{Backend, Builder, Core, Interrupt, Result, idle, net::TcpStream};
use clap::Parser;
use output::say;
use std::{num::NonZeroUsize, process::ExitCode, time::Duration};

#[path = "shared/output.rs"]
mod output;

/// How long what was received may still take when the server is stopped.
const GRACE: Duration = Duration::from_secs(10);

/// Sends back whatever comes.
#[derive(Debug, Parser)]
struct Arguments {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The port to listen on; 0 lets the system choose one.
    #[arg(long, default_value_t = 7000)]
    port: u16,
    /// How many cores to use. They share the listener.
    #[arg(long, default_value = "1")]
    cores: NonZeroUsize,
    /// auto, uring or poll [default: what ANYIO_BACKEND in the environment names, or auto]
    #[arg(long)]
    backend: Option<Backend>,
}

fn main() -> ExitCode {
    output::conclude(serve_on_cores(&Arguments::parse()).map(|()| ExitCode::SUCCESS))
}

fn serve_on_cores(arguments: &Arguments) -> anyhow::Result<()> {
    let builder = arguments.backend.map_or_else(Builder::new, |backend| Builder::new().backend(backend));
    let builder = builder.interrupt(Interrupt::Finish(GRACE));
    builder.run_on_cores(arguments.cores.get(), async |core: &Core| serve(core, arguments).await)?;
    Ok(())
}

async fn serve(core: &Core, arguments: &Arguments) -> anyhow::Result<()> {
    let address = (&*arguments.host, arguments.port);
    let listener = core.listen(address).await?;
    say!("core {} echoes on {}", core.index(), listener.local_addr()?)?;
    listener.serve(echo).await?;
    Ok(())
}

/// Sends everything back. A connection that breaks is no reason to end the server: its error ends here.
async fn echo(stream: TcpStream) -> Result<()> {
    while let Some(chunk) = idle(stream.receive()).await? {
        stream.send(chunk).await?;
    }
    stream.close().await
}
