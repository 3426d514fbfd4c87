//! Connections to clients, plain or encrypted, and where they come from.

use crate::addresses::{Addresses, Entry, Guarded, Place, client_of};
use anyio::{
    Chunk, Error, IoBuf, IoBufMut as _, Result, Slice,
    fs::File,
    net::TcpStream,
    streams::{
        Connections, Listener,
        tls::{TlsListener, TlsStream},
    },
};
use rustls::ServerConfig;
use std::{convert::Infallible, net::IpAddr, ops::Range, sync::Arc};

/// How many bytes are read and encrypted at a time.
const PART: u64 = 64 * 1024;

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

    pub(crate) async fn send(&self, data: impl IoBuf) -> Result<()> {
        match self {
            Self::Plain(stream) => stream.send(data).await,
            Self::Encrypted(stream) => stream.send_buf(data).await.0,
        }
    }

    /// Sends a head, and a part of a file behind it. Tells how many bytes were sent, whatever the result.
    pub(crate) async fn send_file_after(
        &self,
        head: &[u8],
        file: Option<&File>,
        range: Range<u64>,
    ) -> (Result<()>, u64) {
        match (self, file) {
            (Self::Plain(stream), Some(file)) => stream.send_file_after(head, file, range).await,
            (Self::Plain(stream), None) => {
                let mut sent = 0;
                let result =
                    send_all(async |data| stream.send_some(data).await, head.to_vec(), &mut sent).await;
                (result, sent)
            }
            (Self::Encrypted(stream), file) => {
                let mut sent = 0;
                let result = encrypt(stream, head, file, range, &mut sent).await;
                (result, sent)
            }
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

    /// The address of the client.
    pub(crate) fn client(&self) -> IpAddr {
        match self {
            Self::Plain(stream) => client_of(stream),
            Self::Encrypted(stream) => client_of(stream),
        }
    }

    /// Takes a place for it, if the client may have another connection. Encrypted ones have theirs from before the handshake.
    pub(crate) fn enter(&self, addresses: &Addresses) -> Entry {
        match self {
            Self::Plain(_) => addresses.enter(self.client()),
            Self::Encrypted(_) => Entry::Served(Place::UNCOUNTED),
        }
    }
}

/// Reads parts of a file and sends them encrypted, and a head before.
async fn encrypt(
    stream: &TlsStream<TcpStream>,
    head: &[u8],
    file: Option<&File>,
    mut range: Range<u64>,
    sent: &mut u64,
) -> Result<()> {
    let mut part = head.to_vec();
    loop {
        if let Some(file) = file.filter(|_| range.start < range.end) {
            let (filled, wanted) = (part.len(), (range.end - range.start).min(PART) as usize);
            part.reserve(wanted);
            let (read, room) = file.read_at(part.room(filled, wanted), range.start).await;
            part = room.into_inner();
            match read? {
                0 => return Err(Error::IncompleteRead),
                count => range.start += count as u64,
            }
        }
        send_all(async |data| stream.send_some(data).await, std::mem::take(&mut part), sent).await?;
        if file.is_none() || range.start >= range.end {
            return Ok(());
        }
    }
}

/// Sends all bytes, and counts those that were.
async fn send_all(
    send_some: impl AsyncFn(Slice<Vec<u8>>) -> (Result<usize>, Slice<Vec<u8>>),
    mut bytes: Vec<u8>,
    sent: &mut u64,
) -> Result<()> {
    let mut used = 0;
    while used < bytes.len() {
        let (result, rest) = send_some(bytes.slice(used..)).await;
        bytes = rest.into_inner();
        let count = result?;
        used += count;
        *sent += count as u64;
    }
    Ok(())
}

/// Where connections come from. The handshake of an encrypted one is done in its own task.
pub(crate) enum Entrance<L> {
    Plain(L),
    Encrypted(TlsListener<Guarded<L>>),
}

impl<L> Entrance<L> {
    pub(crate) fn encrypted(listener: L, config: Arc<ServerConfig>, addresses: &Addresses) -> Self {
        Self::Encrypted(TlsListener::new(Guarded::new(listener, addresses.clone()), config))
    }
}

impl<L: Listener<Stream = TcpStream>> Listener for Entrance<L> {
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
