//! TLS by compio-tls.

use std::{future::Future, io};

use compio::{
    buf::BufResult,
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    tls::{TlsAcceptor, TlsStream},
};

use super::listen;
use crate::{
    measuring::{ready::Ready, tls::server_config},
    peers::connection::Connection,
};

type Stream = TlsStream<TcpStream>;

pub(super) fn serve<F>(ready: Ready, connection: fn(Stream) -> F) -> anyhow::Result<()>
where
    F: Future<Output = io::Result<()>> + 'static,
{
    let acceptor = TlsAcceptor::from(server_config()?);
    listen(ready, move |stream| {
        let acceptor = acceptor.clone();
        async move { connection(acceptor.accept(stream).await?).await }
    })
}

impl Connection for Stream {
    async fn receive(&mut self, buffer: Vec<u8>) -> io::Result<(Vec<u8>, usize)> {
        let BufResult(received, buffer) = self.read(buffer).await;
        Ok((buffer, received?))
    }

    async fn send_all(&mut self, buffer: Vec<u8>) -> io::Result<Vec<u8>> {
        let BufResult(sent, buffer) = self.write_all(buffer).await;
        sent?;
        self.flush().await?;
        Ok(buffer)
    }
}
