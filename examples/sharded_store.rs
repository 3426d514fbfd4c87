//! A store of keys and values, spread over cores: each key belongs to one of them, and nobody locks anything.
//!
//! ```text
//! cargo run --release --example sharded_store -- --port 7001 --cores 2
//! $ nc localhost 7001
//! set name Ada
//! ok
//! get name
//! Ada
//! count
//! 1
//! ```
//!
//! A connection is served by the core that it was given to, which asks the key's core for the value. Ctrl-C ends it: requests
//! that have come are answered.

use anyio::{
    Backend, Builder, Core, Interrupt, Result,
    cores::PerCore,
    idle,
    net::TcpStream,
    streams::{BufferedByteStream, ByteSendStream},
};
use clap::Parser;
use output::say;
use std::{
    cell::RefCell,
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    num::NonZeroUsize,
    process::ExitCode,
    time::Duration,
};

#[path = "shared/output.rs"]
mod output;

/// The keys and values of one core.
type Shard = RefCell<HashMap<String, String>>;

static SHARDS: PerCore<Shard> = PerCore::new(Shard::default);

/// How long what was asked for may still take when the store is stopped.
const GRACE: Duration = Duration::from_secs(10);

/// The longest request, in bytes.
const LONGEST: usize = 64 << 10;

/// Keeps values under keys: `set KEY VALUE`, `get KEY`, `remove KEY`, `count`.
#[derive(Debug, Parser)]
struct Arguments {
    /// The address to listen on.
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// The port to listen on; 0 lets the system choose one.
    #[arg(long, default_value_t = 7001)]
    port: u16,
    /// How many cores to use.
    #[arg(long, default_value = "2")]
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
    builder.run_on_cores(arguments.cores.get(), async |core: &Core| -> anyhow::Result<()> {
        let listener = core.listen((&*arguments.host, arguments.port)).await?;
        say!("core {} serves on {}", core.index(), listener.local_addr()?)?;
        listener.serve(async |stream: TcpStream| answer_all(core, stream).await).await?;
        Ok(())
    })?;
    Ok(())
}

/// Answers each request of a connection by a line.
async fn answer_all(core: &Core, stream: TcpStream) -> Result<()> {
    let mut stream = BufferedByteStream::new(stream);
    while let Some(request) = idle(stream.receive_line(LONGEST)).await? {
        let answer = answer(core, request.trim_end()).await?;
        stream.send(format!("{answer}\n")).await?;
    }
    Ok(())
}

async fn answer(core: &Core, request: &str) -> Result<String> {
    let mut words = request.splitn(3, ' ');
    let (command, key, value) = (words.next(), words.next(), words.next());
    match (command, key, value) {
        (Some("get"), Some(key), None) => {
            let asked = key.to_owned();
            let value =
                SHARDS.on(&core_of(core, key), move |shard| shard.borrow().get(&asked).cloned()).await?;
            Ok(value.unwrap_or_default())
        }
        (Some("set"), Some(key), Some(value)) => {
            let (asked, value) = (key.to_owned(), value.to_owned());
            let set = move |shard: &Shard| shard.borrow_mut().insert(asked, value);
            drop(SHARDS.on(&core_of(core, key), set).await?);
            Ok("ok".to_owned())
        }
        (Some("remove"), Some(key), None) => {
            let asked = key.to_owned();
            let remove = move |shard: &Shard| shard.borrow_mut().remove(&asked);
            Ok(SHARDS.on(&core_of(core, key), remove).await?.unwrap_or_default())
        }
        (Some("count"), None, None) => {
            let counts = SHARDS.on_each(core, |shard| shard.borrow().len()).await?;
            Ok(counts.into_iter().sum::<usize>().to_string())
        }
        _ => Ok("it is: set KEY VALUE, get KEY, remove KEY, or count".to_owned()),
    }
}

/// The core that a key belongs to.
fn core_of(core: &Core, key: &str) -> Core {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
    let index = (hash % core.count() as u64) as usize;
    core.all().nth(index).expect("it is one of them")
}
