//! What implements tokio's traits, as what implements those of `futures-io`.

use super::{ReadStream, WriteStream};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

/// Something that implements tokio's traits, which through this implements those of `futures-io`, and so can become a
/// stream. Needs the feature `tokio-io`.
///
/// What waits for tokio's own reactor, such as its sockets, needs tokio's run besides; what does not, such as codecs, does
/// not.
///
/// ```
/// # #[cfg(feature = "tokio-io")] {
/// use anyio::{Result, streams::{ByteReceiveStream, io::ReadStream}};
///
/// # anyio::run(async || -> Result<()> {
/// let mut stream = ReadStream::from_tokio(&b"bytes"[..]);
/// assert_eq!(stream.receive().await?.unwrap(), "bytes");
/// # Ok(()) }).unwrap();
/// # }
/// ```
#[derive(Debug)]
pub struct FromTokio<T>(T);

impl<T> FromTokio<T> {
    /// Wraps something that implements tokio's traits.
    pub fn new(inner: T) -> Self {
        Self(inner)
    }

    /// What is wrapped.
    pub fn get_ref(&self) -> &T {
        &self.0
    }

    /// What is wrapped.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<R: AsyncRead> ReadStream<FromTokio<R>> {
    /// Receives from a reader of tokio's kind. Needs the feature `tokio-io`.
    pub fn from_tokio(reader: R) -> Self {
        Self::new(FromTokio(reader))
    }
}

impl<W: AsyncWrite> WriteStream<FromTokio<W>> {
    /// Sends to a writer of tokio's kind. Needs the feature `tokio-io`.
    pub fn from_tokio(writer: W) -> Self {
        Self::new(FromTokio(writer))
    }
}

impl<T: AsyncRead + Unpin> futures_io::AsyncRead for FromTokio<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl<T: AsyncBufRead + Unpin> futures_io::AsyncBufRead for FromTokio<T> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        Pin::new(&mut self.get_mut().0).poll_fill_buf(cx)
    }

    fn consume(mut self: Pin<&mut Self>, count: usize) {
        Pin::new(&mut self.0).consume(count);
    }
}

impl<T: AsyncWrite + Unpin> futures_io::AsyncWrite for FromTokio<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
