//! anyio as a guest of tokio's, in the same thread.

use super::{builder, echo, http, listen};
use crate::{measuring::ready::Ready, peers::Peer};
use anyio::{Backend, net::TcpStream};

pub(crate) static URING: Peer = Peer {
    name: "anyio-uring-in-tokio",
    about: "anyio on io_uring as a guest of tokio's current_thread",
    packages: &["anyio", "io-uring", "tokio"],
    by_hand: false,
    servers: &[
        ("echo-if-named", |ready| serve(Backend::Uring, ready, echo)),
        ("http-if-named", |ready| serve(Backend::Uring, ready, http::answer)),
    ],
    jobs: &[],
};

pub(crate) static POLL: Peer = Peer {
    name: "anyio-poll-in-tokio",
    about: "anyio on epoll as a guest of tokio's current_thread",
    packages: &["anyio", "mio", "tokio"],
    by_hand: false,
    servers: &[
        ("echo-if-named", |ready| serve(Backend::Poll, ready, echo)),
        ("http-if-named", |ready| serve(Backend::Poll, ready, http::answer)),
    ],
    jobs: &[],
};

fn serve(
    backend: Backend,
    ready: Ready,
    connection: impl AsyncFn(TcpStream) -> anyio::Result<()>,
) -> anyhow::Result<()> {
    anyio_tokio::run(&builder(backend), async || listen(ready, connection).await)?
}
