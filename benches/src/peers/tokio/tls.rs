//! TLS by tokio-rustls.

use std::{future::Future, io};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{listen, runtime};
use crate::{
    measuring::{ready::Ready, tls::server_config},
    peers::connection::Connection,
};

type Stream = TlsStream<TcpStream>;

pub(super) fn serve<F>(ready: Ready, connection: fn(Stream) -> F) -> anyhow::Result<()>
where
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let acceptor = TlsAcceptor::from(server_config()?);
    runtime()?.block_on(listen(ready, move |stream| {
        let acceptor = acceptor.clone();
        async move { connection(acceptor.accept(stream).await?).await }
    }))
}

impl Connection for Stream {
    async fn receive(&mut self, mut buffer: Vec<u8>) -> io::Result<(Vec<u8>, usize)> {
        let length = self.read(&mut buffer).await?;
        Ok((buffer, length))
    }

    async fn send_all(&mut self, buffer: Vec<u8>) -> io::Result<Vec<u8>> {
        self.write_all(&buffer).await?;
        self.flush().await?;
        Ok(buffer)
    }
}
