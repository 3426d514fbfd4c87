//! The workloads; each is a subcommand and a file of its own.
//!
//! To add one: a file with `Arguments` and `run`, its `mod` line here, and its variant and arm below.

mod accept;
mod cancel;
mod echo;
mod files;
mod http;
mod hyper;
mod idle;
mod latency;
mod processes;
mod requests;
mod rotation;
mod rows;
pub(crate) mod server;
mod stream;
mod tasks;
mod tls;
#[cfg(feature = "tonic")]
mod tonic;
pub(crate) mod udp;
pub(crate) mod worker;

use clap::Subcommand;

use crate::measuring::load::closed_loop::ClosedLoop;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// TCP echo on loopback: each connection sends a message and waits until all of it came back.
    Echo(echo::Arguments),
    /// HTTP/1.1 on connections that are kept: a small answer to each request.
    Http(requests::Arguments),
    /// hyper's HTTP/1.1 on connections that are kept: small and large answers, and uploads.
    Hyper(requests::Arguments),
    /// hyper's HTTP/2 on connections that are kept: several short answers at the same time.
    HyperHttp2(requests::Arguments),
    /// hyper's HTTP/1.1 over TLS.
    HyperTls(requests::Arguments),
    /// What `hyper` measures, by axum.
    Axum(requests::Arguments),
    /// gRPC by tonic, on connections that are kept: several calls at the same time.
    #[cfg(feature = "tonic")]
    Tonic(requests::Arguments),
    /// gRPC by tonic: calls that are answered by 100 messages, each of which counts.
    #[cfg(feature = "tonic")]
    TonicStream(requests::Arguments),
    /// New connections: connect, one echo, close.
    Accept(requests::Arguments),
    /// Much in one direction on one connection.
    Stream(requests::Arguments),
    /// TCP echo at fixed rates below what the servers can do, counted from when each request was due.
    Latency(requests::Arguments),
    /// The memory that a server takes for each connection that is open and silent.
    Idle(idle::Arguments),
    /// Tasks, timers, timeouts, groups, channels and locks, without input or output.
    Tasks(rows::Arguments),
    /// Cancelling thousands of receives, or up to a million other waits, at once.
    Cancel(rows::Arguments),
    /// Files: random reads at several depths, long reads and writes, many small files.
    Files(files::Arguments),
    /// UDP: echo on one socket for many peers, and datagrams in one direction with and without offload.
    Udp(rows::Arguments),
    /// TLS: handshakes, echo, much in one direction, and the memory of idle connections.
    Tls(tls::Arguments),
    /// Other processes, started and waited for.
    Processes(rows::Arguments),
}

impl Command {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        match self {
            Self::Echo(arguments) => echo::run(arguments),
            Self::Http(arguments) => http::run(arguments),
            Self::Hyper(arguments) => hyper::run(arguments),
            Self::HyperHttp2(arguments) => hyper::run_http2(arguments),
            Self::HyperTls(arguments) => hyper::run_tls(arguments),
            Self::Axum(arguments) => hyper::run_axum(arguments),
            #[cfg(feature = "tonic")]
            Self::Tonic(arguments) => tonic::run(arguments),
            #[cfg(feature = "tonic")]
            Self::TonicStream(arguments) => tonic::run_stream(arguments),
            Self::Accept(arguments) => accept::run(arguments),
            Self::Stream(arguments) => stream::run(arguments),
            Self::Latency(arguments) => latency::run(arguments),
            Self::Idle(arguments) => idle::run(&idle::PLAIN, arguments, || ClosedLoop::new(echo::exchange)),
            Self::Tasks(arguments) => tasks::run(arguments),
            Self::Cancel(arguments) => cancel::run(arguments),
            Self::Files(arguments) => files::run(arguments),
            Self::Udp(arguments) => udp::run(arguments),
            Self::Tls(arguments) => tls::run(arguments),
            Self::Processes(arguments) => processes::run(arguments),
        }
    }
}

/// Each workload's name and what it does.
pub(crate) fn described() -> Vec<(String, String)> {
    Command::augment_subcommands(clap::Command::new("workloads"))
        .get_subcommands()
        .map(|it| (it.get_name().to_owned(), it.get_about().map(ToString::to_string).unwrap_or_default()))
        .collect()
}

/// Whether a worker may use both processors: where the kernel or other threads do a part of the work.
pub(crate) fn uses_both_cores(workload: &str) -> bool {
    [files::WORKLOAD, processes::WORKLOAD].contains(&workload)
}
