//! tokio-uring.

use std::{
    future::Future,
    io,
    net::{Ipv4Addr, SocketAddr},
};

use tokio_uring::net::{TcpListener, TcpStream};

use super::{
    Peer,
    connection::{Connection, serve_bulk, serve_http},
};
use crate::measuring::ready::Ready;

pub(crate) static PEER: Peer = Peer {
    name: "tokio-uring",
    about: "tokio-uring, with a ring of 4096 entries",
    packages: &["tokio-uring"],
    by_hand: false,
    servers: &[
        ("echo", |ready| listen(ready, echo)),
        ("http", |ready| listen(ready, serve_http)),
        ("stream", |ready| listen(ready, serve_bulk)),
    ],
    jobs: &[],
};

/// Its default of 256 is too small for thousands of connections.
const RING_ENTRIES: u32 = 4096;

fn listen<F>(ready: Ready, connection: fn(TcpStream) -> F) -> anyhow::Result<()>
where
    F: Future<Output = io::Result<()>> + 'static,
{
    tokio_uring::builder().entries(RING_ENTRIES).start(async {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        ready.listening_on(listener.local_addr()?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            tokio_uring::spawn(async move {
                // A connection that breaks ends alone; the load notices what it misses.
                let _ = stream.set_nodelay(true);
                let _ = connection(stream).await;
            });
        }
    })
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        let (received, filled) = stream.read(buffer).await;
        if received? == 0 {
            return Ok(());
        }
        let (sent, emptied) = stream.write_all(filled).await;
        sent?;
        buffer = emptied;
        buffer.clear();
    }
}

impl Connection for TcpStream {
    async fn receive(&mut self, buffer: Vec<u8>) -> io::Result<(Vec<u8>, usize)> {
        let (received, buffer) = self.read(buffer).await;
        Ok((buffer, received?))
    }

    async fn send_all(&mut self, buffer: Vec<u8>) -> io::Result<Vec<u8>> {
        let (sent, buffer) = self.write_all(buffer).await;
        sent?;
        Ok(buffer)
    }
}
