//! Connections to clients, plain or encrypted, and where they come from.

use anyio::{
    Chunk, Error, IoBuf, Result,
    net::{TcpListener, TcpStream, attribute::RemoteAddress},
    streams::{
        Attributes, Connections, Listener,
        tls::{TlsListener, TlsStream},
    },
};
use std::{convert::Infallible, net::SocketAddr};

/// A connection to a client.
pub(crate) enum ClientStream {
    Plain(TcpStream),
    Encrypted(TlsStream<TcpStream>),
}

impl ClientStream {
    pub(crate) async fn receive(&self) -> Result<Option<Chunk>> {
        match self {
            Self::Plain(stream) => stream.receive().await,
            Self::Encrypted(stream) => stream.receive().await,
        }
    }

    pub(crate) async fn send_buf<B: IoBuf>(&self, data: B) -> (Result<()>, B) {
        match self {
            Self::Plain(stream) => stream.send_buf(data).await,
            Self::Encrypted(stream) => stream.send_buf(data).await,
        }
    }

    pub(crate) async fn send_eof(&self) -> Result<()> {
        match self {
            Self::Plain(stream) => stream.send_eof().await,
            Self::Encrypted(stream) => stream.send_eof().await,
        }
    }

    pub(crate) async fn close(self) -> Result<()> {
        match self {
            Self::Plain(stream) => stream.close().await,
            Self::Encrypted(stream) => stream.close().await,
        }
    }

    pub(crate) fn client(&self) -> Option<SocketAddr> {
        match self {
            Self::Plain(stream) => stream.extra::<RemoteAddress>(),
            Self::Encrypted(stream) => stream.extra::<RemoteAddress>(),
        }
    }
}

/// Where connections come from. The handshake of an encrypted one is done in its own task.
pub(crate) enum Entrance {
    Plain(TcpListener),
    Encrypted(TlsListener<TcpListener>),
}

impl Listener for Entrance {
    type Stream = ClientStream;

    async fn accept(&self) -> Result<ClientStream> {
        match self {
            Self::Plain(listener) => listener.accept().await.map(ClientStream::Plain),
            Self::Encrypted(listener) => listener.accept().await.map(ClientStream::Encrypted),
        }
    }

    async fn serve_in<'scope, E, F>(
        &self,
        connections: Connections<'scope, '_, E>,
        handler: impl Fn(ClientStream) -> F + Clone + 'scope,
    ) -> Result<Infallible>
    where
        E: From<Error> + 'scope,
        F: Future<Output = Result<(), E>> + 'scope,
    {
        match self {
            Self::Plain(listener) => {
                listener.serve_in(connections, move |stream| handler(ClientStream::Plain(stream))).await
            }
            Self::Encrypted(listener) => {
                listener.serve_in(connections, move |stream| handler(ClientStream::Encrypted(stream))).await
            }
        }
    }

    async fn close(self) -> Result<()> {
        match self {
            Self::Plain(listener) => listener.close().await,
            Self::Encrypted(listener) => listener.close().await,
        }
    }
}
