//! Streams of bytes as what other crates read from and write to, and the other way round.
//!
//! [`ByteReader`] and [`ByteWriter`] make a receiving and a sending stream what the traits of `futures-io` and, with the
//! feature `tokio-io`, those of tokio ask for; [`ByteIo`] is both in one. [`ReadStream`] and [`WriteStream`] make streams
//! of what implements the traits of `futures-io`, and with the feature `tokio-io` of what implements tokio's.
//!
//! ```
//! use anyio::{Result, streams::{ByteSendStream, io::ByteReader}, testing::memory_stream_pair};
//! use futures_util::AsyncReadExt;
//!
//! # anyio::run(async || -> Result<()> {
//! let (mut one, other) = memory_stream_pair();
//! one.send("hello").await?;
//! let mut bytes = [0; 4];
//! ByteReader::new(other).read_exact(&mut bytes).await?;
//! assert_eq!(&bytes, b"hell");
//! # Ok(()) }).unwrap();
//! ```
//!
//! What is read or written in a cancelled scope fails with the error `ECANCELED`, which becomes
//! [`Error::Cancelled`](crate::Error::Cancelled) again when it is converted.

#[cfg(feature = "tokio-io")]
mod from_tokio;
mod read_stream;
mod reader;
#[cfg(feature = "tokio-io")]
mod tokio;
mod write_stream;
mod writer;

#[cfg(feature = "tokio-io")]
pub use from_tokio::FromTokio;
pub use read_stream::ReadStream;
pub use reader::ByteReader;
pub use write_stream::WriteStream;
pub use writer::ByteWriter;

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

/// A [`ByteReader`] and a [`ByteWriter`] in one, for crates that want to read from and write to the same thing.
#[derive(Debug)]
pub struct ByteIo<R, W> {
    reader: ByteReader<R>,
    writer: ByteWriter<W>,
}

impl<R: super::ByteReceiveStream + 'static, W: super::ByteSendStream + 'static> ByteIo<R, W> {
    /// Reads from one stream and writes to the other, such as the halves of a TCP stream.
    pub fn new(receive_stream: R, send_stream: W) -> Self {
        Self { reader: ByteReader::new(receive_stream), writer: ByteWriter::new(send_stream) }
    }

    /// The part that reads and the part that writes.
    pub fn into_parts(self) -> (ByteReader<R>, ByteWriter<W>) {
        (self.reader, self.writer)
    }
}

/// Those of both streams; of those that both know, that of the one that is read from.
impl<R: super::Attributes, W: super::Attributes> super::Attributes for ByteIo<R, W> {
    fn provide(&self, request: &mut super::AttributeRequest<'_>) {
        self.reader.provide(request);
        self.writer.provide(request);
    }
}

impl<R: super::ByteReceiveStream + 'static, W> futures_io::AsyncBufRead for ByteIo<R, W> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_mut().reader.poll_fill(cx)
    }

    fn consume(mut self: Pin<&mut Self>, count: usize) {
        self.reader.consumed(count);
    }
}

impl<R: super::ByteReceiveStream + 'static, W> futures_io::AsyncRead for ByteIo<R, W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.reader).poll_read(cx, buffer)
    }
}

impl<R, W: super::ByteSendStream + 'static> futures_io::AsyncWrite for ByteIo<R, W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write_vectored(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_close(cx)
    }
}

/// A count that code of others has given, if it can be true: their traits are safe, so nothing may rely on it.
///
/// # Errors
/// If there was no room for so many bytes.
fn plausible(count: usize, room: usize, what: &str) -> io::Result<usize> {
    if count <= room {
        return Ok(count);
    }
    Err(io::Error::other(format!("{count} bytes were {what}, so it is said, where there were {room}")))
}
