//! Server processes: this binary run again with a hidden subcommand, one process per peer.
//!
//! A server tells its address in one line on standard output and ends when its standard input does, so it
//! cannot outlive the measurement, whatever ends that.

use std::{
    io::{self, BufRead, BufReader, Read},
    net::SocketAddr,
    process::exit,
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, anyhow};
use clap::Args;

use crate::{
    measuring::ready::Ready,
    measuring::{limits, process::Process},
    peers::{self, Peer},
};

const START_LIMIT: Duration = Duration::from_secs(10);

/// The hidden subcommand's arguments.
#[derive(Args)]
pub(crate) struct ServeArguments {
    workload: String,
    peer: String,
    /// The processor to stay on.
    #[arg(long)]
    core: Option<usize>,
}

/// Runs one peer's server in this process.
pub(crate) fn serve(arguments: &ServeArguments) -> anyhow::Result<()> {
    let peer = peers::named(&arguments.peer).map_err(|error| anyhow!(error))?;
    let serve = peer.server(&arguments.workload).context("this peer does not serve this workload")?;
    limits::raise_open_files()?;
    if let Some(core) = arguments.core {
        limits::pin_to_core(core)?;
    }
    thread::spawn(|| {
        // Nothing is ever written to this pipe: the read ends when the other process closes it or dies.
        let ended = io::stdin().read(&mut [0]);
        exit(i32::from(ended.is_err()));
    });
    serve(Ready::default())
}

/// A peer's server process. Dropping it ends the process.
pub(crate) struct Server {
    pub(crate) peer: &'static Peer,
    pub(crate) address: SocketAddr,
    process: Process,
}

impl Server {
    /// Starts a peer's server, on the given processor if there is one, and waits until it listens.
    pub(crate) fn start(workload: &str, peer: &'static Peer, core: Option<usize>) -> anyhow::Result<Self> {
        let core = core.map(|core| core.to_string());
        let mut arguments = vec!["serve", workload, peer.name];
        arguments.extend(core.iter().flat_map(|core| ["--core", core]));
        let process = Process::start(&arguments)?;
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut server = Self { peer, address: unknown, process };
        server.address = server.read_address().with_context(|| format!("starting {}", peer.name))?;
        Ok(server)
    }

    fn read_address(&mut self) -> anyhow::Result<SocketAddr> {
        let output = self.process.take_output()?;
        let (sender, receiver) = mpsc::channel();
        // The thread ends with the line, or with the process that would have written it.
        thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(output).read_line(&mut line);
            sender.send(read.map(|_| line))
        });
        let line = receiver.recv_timeout(START_LIMIT).context("the server did not start to listen")??;
        line.trim().parse().context("the server ended before it listened")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}
