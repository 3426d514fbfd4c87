//! anyio, on each of its back ends. Connections are children of one task group.

mod all_cores;
mod cancel;
mod files;
mod guest;
mod http;
mod hyper;
mod processes;
mod stream;
mod tasks;
mod tls;
#[cfg(feature = "tonic")]
mod tonic;
mod udp;

use std::{net::Ipv4Addr, time::Duration};

use anyio::{
    Backend, Builder, Error, ErrorGroup,
    net::{TcpListener, TcpStream},
    streams::Listener,
};

pub(crate) use guest::{POLL as POLL_GUEST, URING as URING_GUEST};

use super::Peer;
use crate::measuring::{
    job::Order,
    ready::Ready,
    stopwatch::{Measured, measure},
};

pub(crate) static URING: Peer = Peer {
    name: "anyio-uring",
    about: "anyio on io_uring",
    packages: &["anyio", "io-uring"],
    by_hand: false,
    servers: &[
        ("echo", |ready| serve(builder(Backend::Uring), ready, echo)),
        ("echo-all-cores", |ready| all_cores::echo(&builder(Backend::Uring), ready)),
        ("echo-skewed", |ready| all_cores::echo_with_effort(&builder(Backend::Uring), ready)),
        ("http", |ready| serve(builder(Backend::Uring), ready, http::answer)),
        ("hyper", |ready| hyper::serve(builder(Backend::Uring), ready)),
        ("hyper-http2", |ready| hyper::serve(builder(Backend::Uring), ready)),
        ("hyper-tls", |ready| hyper::serve_tls(&builder(Backend::Uring), ready)),
        ("axum", |ready| hyper::serve_axum(builder(Backend::Uring), ready)),
        #[cfg(feature = "tonic")]
        ("tonic", |ready| tonic::serve(builder(Backend::Uring), ready)),
        ("stream", |ready| serve(builder(Backend::Uring), ready, stream::bulk)),
        ("tls-echo", |ready| tls::serve(&builder(Backend::Uring), ready, tls::echo)),
        ("tls-stream", |ready| tls::serve(&builder(Backend::Uring), ready, tls::bulk)),
    ],
    jobs: &[
        ("tasks", tasks::URING),
        ("cancel", cancel::URING),
        ("udp", udp::URING),
        ("files", files::URING),
        ("processes", processes::URING),
    ],
};

pub(crate) static URING_SPIN: Peer = Peer {
    name: "anyio-uring-spin",
    about: "anyio on io_uring, looking for completions for 50 µs before it sleeps",
    packages: &["anyio", "io-uring"],
    by_hand: false,
    servers: &[("latency", echo_spinning), ("echo-if-named", echo_spinning)],
    jobs: &[],
};

/// How long to look for completions before sleeping.
const SPIN: Duration = Duration::from_micros(50);

fn echo_spinning(ready: Ready) -> anyhow::Result<()> {
    serve(builder(Backend::Uring).spin(SPIN), ready, echo)
}

pub(crate) static POLL: Peer = Peer {
    name: "anyio-poll",
    about: "anyio on epoll",
    packages: &["anyio", "mio"],
    by_hand: false,
    servers: &[
        ("echo", |ready| serve(builder(Backend::Poll), ready, echo)),
        ("echo-all-cores", |ready| all_cores::echo(&builder(Backend::Poll), ready)),
        ("echo-skewed", |ready| all_cores::echo_with_effort(&builder(Backend::Poll), ready)),
        ("http", |ready| serve(builder(Backend::Poll), ready, http::answer)),
        ("hyper", |ready| hyper::serve(builder(Backend::Poll), ready)),
        ("hyper-http2", |ready| hyper::serve(builder(Backend::Poll), ready)),
        ("hyper-tls", |ready| hyper::serve_tls(&builder(Backend::Poll), ready)),
        ("axum", |ready| hyper::serve_axum(builder(Backend::Poll), ready)),
        #[cfg(feature = "tonic")]
        ("tonic", |ready| tonic::serve(builder(Backend::Poll), ready)),
        ("stream", |ready| serve(builder(Backend::Poll), ready, stream::bulk)),
        ("tls-echo", |ready| tls::serve(&builder(Backend::Poll), ready, tls::echo)),
        ("tls-stream", |ready| tls::serve(&builder(Backend::Poll), ready, tls::bulk)),
    ],
    jobs: &[
        ("tasks", tasks::POLL),
        ("cancel", cancel::POLL),
        ("udp", udp::POLL),
        ("files", files::POLL),
        ("processes", processes::POLL),
    ],
};

/// The same jobs on one of the back ends.
macro_rules! jobs {
    ($backend:expr; $($name:literal => $job:path,)*) => {
        &[$(($name, |order| $job($backend, order))),*]
    };
}

use jobs;

/// Does a row's work in a run of its own.
fn run(
    backend: Backend,
    order: &Order,
    work: impl AsyncFnMut(u64) -> anyio::Result<()>,
) -> anyhow::Result<Measured> {
    builder(backend).run(async || measure(order.operations, work).await)?
}

fn builder(backend: Backend) -> Builder {
    Builder::new().backend(backend)
}

/// Serves each connection as a child of one group.
fn serve(
    builder: Builder,
    ready: Ready,
    connection: impl AsyncFn(TcpStream) -> anyio::Result<()>,
) -> anyhow::Result<()> {
    builder.run(async || listen(ready, connection).await)?
}

async fn listen(
    ready: Ready,
    connection: impl AsyncFn(TcpStream) -> anyio::Result<()>,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    ready.listening_on(listener.local_addr()?)?;
    Ok(serve_all(&listener, connection).await?)
}

async fn serve_all<L: Listener>(
    listener: &L,
    connection: impl AsyncFn(L::Stream) -> anyio::Result<()>,
) -> Result<(), ErrorGroup<Error>> {
    let each = async |stream: L::Stream| match connection(stream).await {
        Err(error @ Error::Cancelled(_)) => Err(error),
        // A connection that breaks ends alone; the load notices what it misses.
        Ok(()) | Err(_) => Ok(()),
    };
    listener.serve(each).await?;
    Ok(())
}

async fn echo(stream: TcpStream) -> anyio::Result<()> {
    while let Some(chunk) = stream.receive().await? {
        stream.send(chunk).await?;
    }
    Ok(())
}
