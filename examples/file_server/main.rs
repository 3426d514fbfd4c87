//! A static file server over HTTP/1.1, one folder on one or more cores.
//!
//!     cargo run --release --example file_server -- . --port 8080 --cores 2
//!
//! It speaks keep-alive, pipelining, HEAD, byte ranges (also several at a time) and conditional requests, lists folders
//! that have no `index.html`, sends text compressed, and keeps to its folder: paths and symbolic links that lead out of it are refused. Each
//! wait for a client has a time limit, made of cancel scopes. SIGINT or SIGTERM stops it: it accepts no more, lets
//! requests in progress finish within a grace period, and cancels the rest; a second signal does so at once. With
//! `--certificate` and `--key` it serves HTTPS; SIGHUP makes it load them again.
//!
//! Where to begin reading: `server.rs` is the structure of tasks and scopes on one core, `connection.rs` what happens on
//! one connection, `resource.rs` how a request becomes a response.

mod access_log;
mod addresses;
mod body;
mod cache;
mod conditions;
mod connection;
mod encodings;
mod encryption;
mod folder;
mod input;
mod listing;
mod options;
mod origin;
#[path = "../shared/output.rs"]
mod output;
mod panics;
mod quick;
mod ranges;
mod representation;
mod request;
mod resource;
mod response;
mod sending;
mod server;
mod status;
mod stream;
mod target;

use addresses::Addresses;
use anyhow::Context;
use anyio::{Builder, Core, Interrupt};
use clap::Parser;
use encryption::Encryption;
use options::Options;
use std::process::ExitCode;

fn main() -> ExitCode {
    output::conclude(run(&Options::parse()).map(|()| ExitCode::SUCCESS))
}

fn run(options: &Options) -> anyhow::Result<()> {
    let root =
        options.root.canonicalize().with_context(|| format!("cannot serve {}", options.root.display()))?;
    anyhow::ensure!(root.is_dir(), "{} is not a folder", root.display());

    let builder = options.backend.map_or_else(Builder::new, |backend| Builder::new().backend(backend));
    let builder = builder.interrupt(Interrupt::Finish(options.grace));
    let encryption = builder.run(async || Encryption::load(options).await)??;
    let addresses = Addresses::new(options.connections_per_address);
    builder.run_on_cores(options.cores.get(), async |core: &Core| {
        // It is closed with the last share, so that new clients go elsewhere.
        let listener = core.listen((&*options.host, options.port)).await?;
        server::run(core, listener, encryption.as_ref(), &root, options, &addresses).await
    })?;
    Ok(())
}
