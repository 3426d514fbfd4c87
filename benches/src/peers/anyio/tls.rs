//! TLS by anyio.

use std::{io, net::Ipv4Addr};

use anyio::{
    Builder,
    net::{TcpListener, TcpStream},
    streams::tls::{TlsListener, TlsStream},
};

use super::serve_all;
use crate::{
    measuring::{ready::Ready, tls::server_config},
    peers::connection::{Connection, serve_bulk},
};

type Stream = TlsStream<TcpStream>;

pub(super) fn serve(
    builder: &Builder,
    ready: Ready,
    connection: impl AsyncFn(Stream) -> anyio::Result<()>,
) -> anyhow::Result<()> {
    let config = server_config()?;
    builder.run(async || -> anyhow::Result<()> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        ready.listening_on(listener.local_addr()?)?;
        Ok(serve_all(&TlsListener::new(listener, config), connection).await?)
    })?
}

pub(super) async fn echo(stream: Stream) -> anyio::Result<()> {
    while let Some(chunk) = stream.receive().await? {
        stream.send(chunk).await?;
    }
    Ok(())
}

pub(super) async fn bulk(stream: Stream) -> anyio::Result<()> {
    Ok(serve_bulk(stream).await?)
}

impl Connection for Stream {
    async fn receive(&mut self, buffer: Vec<u8>) -> io::Result<(Vec<u8>, usize)> {
        let (received, buffer) = self.receive_into(buffer).await;
        Ok((buffer, received?))
    }

    async fn send_all(&mut self, buffer: Vec<u8>) -> io::Result<Vec<u8>> {
        let (sent, buffer) = self.send_buf(buffer).await;
        sent?;
        Ok(buffer)
    }
}
