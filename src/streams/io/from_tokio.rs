//! What implements tokio's traits, as what implements those of `futures-io`.

use super::{ReadStream, WriteStream, plausible};
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
        let (beginning, room) = (buffer.as_ptr(), buffer.len());
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.0).poll_read(cx, &mut buffer))?;
        // A reader may have put another buffer in this one's place.
        if buffer.filled().as_ptr() != beginning {
            return Poll::Ready(Err(io::Error::other(
                "a reader has filled another buffer than it was given",
            )));
        }
        Poll::Ready(plausible(buffer.filled().len(), room, "read"))
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
        let written = ready!(Pin::new(&mut self.0).poll_write(cx, bytes));
        Poll::Ready(written.and_then(|count| plausible(count, bytes.len(), "written")))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_io::AsyncRead as _;

    /// Puts a buffer of its own in the place of the one it is given.
    struct Swaps;

    impl AsyncRead for Swaps {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            *buffer = ReadBuf::new(Box::leak(vec![0; 1 << 20].into_boxed_slice()));
            buffer.advance(1 << 20);
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn a_reader_that_swaps_its_buffer_has_read_nothing() {
        let mut context = Context::from_waker(std::task::Waker::noop());
        let polled = Pin::new(&mut FromTokio(Swaps)).poll_read(&mut context, &mut [0; 16]);
        assert!(matches!(polled, Poll::Ready(Err(_))));
    }
}
