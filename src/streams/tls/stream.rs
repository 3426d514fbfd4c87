//! TLS as a stream around a stream.

use super::session::{Session, take_bytes};
use crate::{
    error::{Error, Result},
    streams::{AttributeRequest, Attributes, ByteReceiveStream, ByteSendStream, ByteStream, Split},
};
use anyio_driver::{Chunk, IoBuf, IoBufMut};
use std::{
    fmt,
    io::{self, IoSlice},
    rc::Rc,
    task::{Context, Poll},
};

/// A stream whose bytes are encrypted on another stream, by TLS 1.2 or 1.3.
///
/// Made by [`wrap`](Self::wrap) on any stream: of TCP, of UNIX, in memory, another of this kind. Like those of sockets its
/// methods take `&self`, so that one task can receive while another sends; it also splits into halves.
///
/// Close it, or send the end, before you drop it: otherwise the peer cannot tell the end from an attack that cuts the
/// connection off, and many peers take it for that.
///
/// A connection that is idle holds no buffers of its own.
///
/// ```
/// use anyio::{Result, net::TcpStream, streams::tls::{TlsOptions, TlsStream}};
/// use std::sync::Arc;
///
/// async fn fetch(config: Arc<rustls::ClientConfig>) -> Result<()> {
///     let tcp = TcpStream::connect("example.org:443").await?;
///     let stream = TlsStream::wrap(tcp, &TlsOptions::client(config, "example.org")?).await?;
///     stream.send("GET / HTTP/1.0\r\nHost: example.org\r\n\r\n").await?;
///     while let Some(chunk) = stream.receive().await? {
///         print!("{}", String::from_utf8_lossy(&chunk));
///     }
///     stream.close().await
/// }
/// # let _ = fetch;
/// ```
pub struct TlsStream<S: Split>(Rc<Session<S>>);

impl<S: Split> TlsStream<S> {
    pub(super) fn new(session: Rc<Session<S>>) -> Self {
        Self(session)
    }

    /// Receives some decrypted bytes, at least one. `Ok(None)` is the end.
    ///
    /// # Errors
    /// [`Error::BrokenResource`] if the link was lost, or ended without a word of the peer (unless
    /// [`standard_compatible`](super::TlsOptions::standard_compatible) was set to false), [`Error::Tls`] if what came is not what
    /// the peer can have sent, or the peer refuses the connection, [`Error::BusyResource`] if another task is receiving,
    /// [`Error::Cancelled`] if the scope is cancelled.
    ///
    /// # Cancel safety
    /// No byte is lost, whether the scope is cancelled or the future dropped: the next call gets it.
    pub async fn receive(&self) -> Result<Option<Chunk>> {
        self.receive_at_most(usize::MAX).await
    }

    /// Receives at least one and at most `max_bytes` bytes. `Ok(None)` is the end.
    ///
    /// # Errors
    /// As for [`receive`](Self::receive).
    ///
    /// # Cancel safety
    /// As for [`receive`](Self::receive).
    ///
    /// # Panics
    /// If `max_bytes` is 0.
    pub async fn receive_at_most(&self, max_bytes: usize) -> Result<Option<Chunk>> {
        assert!(max_bytes > 0, "receiving at most 0 bytes");
        self.0.receive(|reader| take_bytes(reader, max_bytes)).await
    }

    /// Receives into the caller's own buffer, from its beginning, and gives it back with the number of bytes. 0 is the end
    /// (or a buffer without room).
    ///
    /// # Errors
    /// As for [`receive`](Self::receive); the buffer comes back all the same.
    ///
    /// # Cancel safety
    /// When the scope is cancelled nothing was received. When the future is dropped only the buffer is lost.
    pub async fn receive_into<B: IoBufMut>(&self, mut buffer: B) -> (Result<usize>, B) {
        if buffer.capacity() == 0 {
            return (Ok(0), buffer);
        }
        let received = self.0.receive(|reader| {
            let count = buffer.fill_from(reader.fill_buf().unwrap_or_default());
            reader.consume(count);
            count
        });
        (received.await.map(Option::unwrap_or_default), buffer)
    }

    /// Sends all bytes of a buffer, and waits until they are on their way.
    ///
    /// # Errors
    /// [`Error::BrokenResource`] if the link was lost, or the keys of a TLS 1.2 connection have encrypted as many records as
    /// they may (some 16 million), [`Error::ClosedResource`] after the end was sent, [`Error::Tls`] if one
    /// of the sides has refused the connection, [`Error::BusyResource`] if another task is sending, [`Error::Cancelled`] if
    /// the scope is cancelled.
    ///
    /// # Cancel safety
    /// When the scope is cancelled half-way, or the future is dropped, a part of the bytes may have been taken over. What has
    /// begun is finished by the next call, so the stream is whole. [`send_some`](Self::send_some) tells which part.
    pub async fn send(&self, data: impl IoBuf) -> Result<()> {
        self.send_buf(data).await.0
    }

    /// Sends all bytes of a buffer and gives it back.
    ///
    /// # Errors
    /// As for [`send`](Self::send); the buffer comes back all the same.
    ///
    /// # Cancel safety
    /// As for [`send`](Self::send). When the future is dropped the buffer is lost.
    pub async fn send_buf<B: IoBuf>(&self, data: B) -> (Result<()>, B) {
        (self.0.send_all(&[data.bytes()]).await, data)
    }

    /// Sends all bytes of several buffers, as if they were one: small ones share a record, and a system call.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As for [`send`](Self::send).
    pub async fn send_vectored<B: IoBuf>(&self, buffers: Vec<B>) -> (Result<()>, Vec<B>) {
        let slices: Vec<_> = buffers.iter().map(IoBuf::bytes).collect();
        let result = self.0.send_all(&slices).await;
        drop(slices);
        (result, buffers)
    }

    /// Sends some bytes of a buffer, 64 KiB at most, and gives it back with their number. These bytes are taken over: if the
    /// scope is cancelled meanwhile, the next call sends what has not been sent of them.
    ///
    /// # Errors
    /// As for [`send`](Self::send), and then no byte was sent; the buffer comes back all the same.
    ///
    /// # Cancel safety
    /// When the scope is cancelled, either the number comes out or nothing was sent. When the future is dropped, the buffer is
    /// lost and some bytes may have been sent.
    pub async fn send_some<B: IoBuf>(&self, data: B) -> (Result<usize>, B) {
        (self.0.send_first(data.bytes()).await, data)
    }

    /// Tells the peer that nothing more will be sent. Receiving goes on, and the stream below stays as it is. Does nothing
    /// the second time.
    ///
    /// A peer that speaks TLS 1.2 and keeps to its letter closes the connection as it gets this, and gives up what it had yet
    /// to send; by TLS 1.3 it goes on.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Nothing is lost; it may be called again.
    pub async fn send_eof(&self) -> Result<()> {
        self.0.send_eof().await
    }

    /// Tells the peer that nothing more will be sent, waits until it has answered so, and closes the stream below. What the
    /// peer had still sent is dropped, so that unread bytes do not make the system break the connection off and take what
    /// is on its way to the peer with them. With [`standard_compatible`](super::TlsOptions::standard_compatible) set to
    /// false the stream below is closed at once.
    ///
    /// It waits for five seconds at most until the link has taken this side's word, and then for one second at most, or
    /// [what was set](super::TlsOptions::answer_limit), for the peer's: a peer that does not receive, or does not answer, could
    /// hold it up for ever.
    ///
    /// # Errors
    /// Why the peer could not be told, unless it has said before that it sends nothing more, such as [`Error::TimedOut`]; what
    /// closing the stream below says. It is closed all the same. A peer that was told and does not answer is no error.
    ///
    /// # Cancel safety
    /// The stream below is closed in any case, also in a cancelled scope and when the future is dropped; then the peer may
    /// not be told.
    pub async fn close(self) -> Result<()> {
        let told = match self.0.is_standard_compatible() {
            true => self.0.close().await,
            false => Ok(()),
        };
        let has_ended = self.0.peer_has_closed();
        // With a half of it still in use the other one closes it.
        let closed = match self.into_below() {
            Some(stream) => stream.close().await,
            None => Ok(()),
        };
        match told.and(closed) {
            // Nobody is left to be told.
            Err(Error::BrokenResource(_)) if has_ended => Ok(()),
            closed => closed,
        }
    }

    /// Another share of the stream, for one of its halves.
    pub(super) fn share(&self) -> Self {
        Self(self.0.clone())
    }

    pub(super) fn session(&self) -> &Session<S> {
        &self.0
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    fn into_below(self) -> Option<S> {
        Rc::into_inner(self.0)?.into_inner().0
    }

    /// Ends TLS, and gives back the stream below, on which both sides can go on without it, and what was received and comes
    /// behind the peer's last word. It waits for that word.
    ///
    /// # Errors
    /// The error and this stream, on which it can be called again: [`Error::Io`] of the kind `InvalidData` if bytes have come
    /// that nobody has received, which can be received now; otherwise as for [`send`](Self::send) and [`receive`](Self::receive).
    ///
    /// # Cancel safety
    /// In a cancelled scope the stream comes back. If the future is dropped it is closed.
    ///
    /// # Panics
    /// If the stream below does not take its own halves for halves of one stream.
    pub async fn unwrap(self) -> std::result::Result<(S, Option<Chunk>), (Error, Self)> {
        self.0.leave_taken_over();
        let ended = async {
            self.0.send_eof().await?;
            match self.0.receive(|_| ()).await? {
                None => Ok(()),
                Some(()) => {
                    let what = "the peer has sent bytes that were not received before unwrapping";
                    Err(Error::Io(io::Error::new(io::ErrorKind::InvalidData, what)))
                }
            }
        };
        if let Err(error) = ended.await {
            return Err((error, self));
        }
        let session = Rc::into_inner(self.0).expect("a stream that is not split is the only owner");
        let (stream, rest) = session.into_inner();
        Ok((stream.expect("halves that were split off one stream fit together"), rest))
    }

    /// Looks at the connection of rustls, for what has no attribute.
    pub fn with_connection<T>(&self, look: impl FnOnce(&rustls::Connection) -> T) -> T {
        self.0.with_connection(look)
    }
}

impl<S: Split> ByteReceiveStream for TlsStream<S> {
    async fn receive(&mut self) -> Result<Option<Chunk>> {
        TlsStream::receive(self).await
    }

    async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
        TlsStream::receive_at_most(self, max_bytes).await
    }

    async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
        TlsStream::receive_into(self, buffer).await
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        self.0.poll_receive(cx)
    }
}

impl<S: Split> ByteSendStream for TlsStream<S> {
    async fn send_buf<B: IoBuf>(&mut self, data: B) -> (Result<()>, B) {
        TlsStream::send_buf(self, data).await
    }

    async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
        TlsStream::send_some(self, data).await
    }

    async fn send_eof(&mut self) -> Result<()> {
        TlsStream::send_eof(self).await
    }

    fn send_soon(&mut self, cx: &mut Context<'_>, buffers: &[IoSlice<'_>]) -> Result<usize> {
        self.0.send_soon(cx, buffers)
    }

    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.0.poll_sent(cx)
    }

    fn poll_sent_or_sending(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        self.0.poll_sent_or_sending(cx)
    }
}

impl<S: Split> ByteStream for TlsStream<S> {
    async fn close(self) -> Result<()> {
        TlsStream::close(self).await
    }
}

/// Those of [`tls::attribute`](super::attribute), and those of the stream below, as long as it is not in use in both
/// directions at that moment.
impl<S: Split> Attributes for TlsStream<S> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.0.provide(request);
    }
}

impl<S: Split> fmt::Debug for TlsStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.with_connection(|connection| {
            f.debug_struct("TlsStream")
                .field("version", &connection.protocol_version())
                .field("is_server", &matches!(connection, rustls::Connection::Server(_)))
                .finish_non_exhaustive()
        })
    }
}
