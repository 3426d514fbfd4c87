//! Receiving in other pieces than those that come.

use super::{
    AttributeRequest, Attributes, ByteReceiveStream, ByteSendStream, ByteStream, Split,
    byte_buffer::ByteBuffer,
};
use crate::{
    error::{Error, Result},
    lowlevel::checkpoint_if_cancelled,
    runtime::{Core, poll_nothing_to_do},
};
use anyio_driver::{Chunk, IoBuf, IoBufMut};
use bytes::{BufMut, Bytes};
use std::{
    io,
    task::{Context, Poll},
};

/// A stream of bytes with a buffer, from which one can receive a number of bytes, or up to a delimiter. Sending, if the
/// wrapped stream can, goes straight through.
///
/// ```
/// use anyio::{Result, streams::{BufferedByteStream, ByteSendStream}, testing::memory_stream_pair};
///
/// # anyio::run(async || -> Result<()> {
/// let (mut client, server) = memory_stream_pair();
/// let mut server = BufferedByteStream::new(server);
/// client.send("name: a\r\nbody").await?;
/// assert_eq!(server.receive_until(b"\r\n", 100).await?, "name: a");
/// assert_eq!(server.receive_exactly(4).await?, "body");
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct BufferedByteStream<S> {
    stream: S,
    buffer: ByteBuffer,
}

impl<S> BufferedByteStream<S> {
    /// Wraps a stream. It may also be one that only receives.
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: ByteBuffer::default() }
    }

    /// What was received and not yet asked for.
    pub fn buffer(&self) -> &[u8] {
        self.buffer.bytes()
    }

    /// Puts bytes behind those that are buffered, before those that are yet to be received.
    pub fn feed_data(&mut self, data: &[u8]) {
        self.buffer.extend(data);
    }

    /// The wrapped stream.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The wrapped stream. What is received from it directly comes after what is buffered.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    /// The wrapped stream, and what is buffered.
    pub fn into_inner(mut self) -> (S, Bytes) {
        let rest = self.buffer.take(self.buffer.bytes().len());
        (self.stream, rest)
    }
}

impl<S: ByteReceiveStream> BufferedByteStream<S> {
    /// Receives one more piece into the buffer. False at the end.
    async fn fill(&mut self) -> Result<bool> {
        let chunk = self.stream.receive().await?;
        if let Some(chunk) = &chunk {
            self.buffer.extend(chunk);
        }
        Ok(chunk.is_some())
    }

    /// Receives exactly this many bytes.
    ///
    /// # Errors
    /// [`Error::IncompleteRead`] if the stream ends before; what has come stays in the buffer. Those of the wrapped stream.
    ///
    /// # Cancel safety
    /// No byte is lost; what has come stays in the buffer.
    pub async fn receive_exactly(&mut self, count: usize) -> Result<Bytes> {
        checkpoint_if_cancelled().await?;
        while self.buffer.bytes().len() < count {
            if !self.fill().await? {
                return Err(Error::IncompleteRead);
            }
        }
        Ok(self.buffer.take(count))
    }

    /// Receives up to a delimiter, which is taken out of the stream and not part of the result.
    ///
    /// # Errors
    /// [`Error::DelimiterNotFound`] if `max_bytes` bytes have come and the delimiter, as a whole, is not among them.
    /// [`Error::IncompleteRead`] if the stream ends before ([`receive_until_or_end`](Self::receive_until_or_end) gives
    /// what is left then). What has come stays in the buffer in both cases. Those of the
    /// wrapped stream.
    ///
    /// # Panics
    /// If the delimiter is empty.
    ///
    /// # Cancel safety
    /// No byte is lost; what has come stays in the buffer.
    pub async fn receive_until(&mut self, delimiter: &[u8], max_bytes: usize) -> Result<Bytes> {
        assert!(!delimiter.is_empty(), "receiving until an empty delimiter");
        checkpoint_if_cancelled().await?;
        match self.find(delimiter, max_bytes).await? {
            Some(place) => {
                let before = self.buffer.take(place);
                self.buffer.advance(delimiter.len());
                Ok(before)
            }
            None => Err(Error::IncompleteRead),
        }
    }

    /// Receives up to a delimiter, which is taken out of the stream and not part of the result. What is left at the end
    /// of the stream need not end in one. `None` is the end.
    ///
    /// # Errors
    /// [`Error::DelimiterNotFound`] if `max_bytes` bytes have come and the delimiter, as a whole, is not among them; they
    /// stay in the buffer. Those of the wrapped stream.
    ///
    /// # Panics
    /// If the delimiter is empty.
    ///
    /// # Cancel safety
    /// No byte is lost; what has come stays in the buffer.
    pub async fn receive_until_or_end(
        &mut self,
        delimiter: &[u8],
        max_bytes: usize,
    ) -> Result<Option<Bytes>> {
        assert!(!delimiter.is_empty(), "receiving until an empty delimiter");
        checkpoint_if_cancelled().await?;
        match self.find(delimiter, max_bytes).await? {
            Some(place) => {
                let before = self.buffer.take(place);
                self.buffer.advance(delimiter.len());
                Ok(Some(before))
            }
            None if self.buffer.is_empty() => Ok(None),
            None => Ok(Some(self.buffer.take(self.buffer.bytes().len()))),
        }
    }

    /// Receives until the delimiter is in the buffer, and tells where. `None` if the stream ends before.
    async fn find(&mut self, delimiter: &[u8], max_bytes: usize) -> Result<Option<usize>> {
        let mut searched = 0;
        loop {
            let buffered = self.buffer.bytes();
            let limit = buffered.len().min(max_bytes);
            if let Some(place) = memchr::memmem::find(&buffered[searched.min(limit)..limit], delimiter) {
                return Ok(Some(searched + place));
            }
            if buffered.len() >= max_bytes {
                return Err(Error::DelimiterNotFound { max_bytes });
            }
            // The delimiter may have begun at the end of what is there.
            searched = limit.saturating_sub(delimiter.len() - 1);
            if !self.fill().await? {
                return Ok(None);
            }
        }
    }

    /// Receives a line of UTF-8: what comes before `\n` or `\r\n`, which is taken out of the stream too. The last line
    /// need not end in one. `None` is the end of the stream.
    ///
    /// ```
    /// use anyio::{Result, fs::FileReadStream, streams::BufferedByteStream};
    ///
    /// # anyio::run(async || -> Result<()> {
    /// let mut status = BufferedByteStream::new(FileReadStream::open("/proc/self/status").await?);
    /// let first = status.receive_line(1000).await?;
    /// assert!(first.unwrap().starts_with("Name:"));
    /// # Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`Error::DelimiterNotFound`] if `max_bytes` bytes have come without an end of the line; they stay in the buffer.
    /// [`Error::Io`] of the kind `InvalidData` if the line is not UTF-8; it is taken out of the stream. Those of the
    /// wrapped stream.
    ///
    /// # Cancel safety
    /// No byte is lost; what has come stays in the buffer.
    pub async fn receive_line(&mut self, max_bytes: usize) -> Result<Option<String>> {
        checkpoint_if_cancelled().await?;
        let place = self.find(b"\n", max_bytes).await?;
        let bytes = self.buffer.bytes();
        let (line, length) = match place {
            Some(place) => (bytes[..place].strip_suffix(b"\r").unwrap_or(&bytes[..place]), place + 1),
            None if bytes.is_empty() => return Ok(None),
            None => (bytes, bytes.len()),
        };
        let line = std::str::from_utf8(line).map(str::to_owned);
        self.buffer.advance(length);
        line.map(Some).map_err(|error| {
            Error::of_stream(io::Error::new(io::ErrorKind::InvalidData, error), "receive a line")
        })
    }
}

impl<S: ByteReceiveStream> ByteReceiveStream for BufferedByteStream<S> {
    async fn receive(&mut self) -> Result<Option<Chunk>> {
        if self.buffer.is_empty() {
            return self.stream.receive().await;
        }
        checkpoint_if_cancelled().await?;
        Ok(Some(self.buffer.take_chunk(usize::MAX)))
    }

    async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
        assert!(max_bytes > 0, "receiving at most 0 bytes");
        if self.buffer.is_empty() {
            return self.stream.receive_at_most(max_bytes).await;
        }
        checkpoint_if_cancelled().await?;
        Ok(Some(self.buffer.take_chunk(max_bytes)))
    }

    async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
        if self.buffer.is_empty() {
            return self.stream.receive_into(buffer).await;
        }
        match checkpoint_if_cancelled().await {
            Ok(()) => self.buffer.take_into(buffer),
            Err(cancelled) => (Err(cancelled.into()), buffer),
        }
    }

    fn receive_nowait(&mut self, buffer: &mut (impl BufMut + ?Sized)) -> Result<usize> {
        if self.buffer.is_empty() {
            return self.stream.receive_nowait(buffer);
        }
        Core::with(|core| core.check_cancelled())?;
        Ok(self.buffer.take_to(buffer))
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        if self.buffer.is_empty() {
            return self.stream.poll_receive(cx);
        }
        poll_nothing_to_do(cx).map_ok(|()| Some(self.buffer.take_chunk(usize::MAX)))
    }

    async fn close_receiving(self) -> Result<()> {
        self.stream.close_receiving().await
    }
}

impl<S: ByteSendStream> ByteSendStream for BufferedByteStream<S> {
    async fn send_buf<B: IoBuf>(&mut self, data: B) -> (Result<()>, B) {
        self.stream.send_buf(data).await
    }

    async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
        self.stream.send_some(data).await
    }

    fn send_nowait(&mut self, buffers: &[std::io::IoSlice<'_>]) -> Result<usize> {
        self.stream.send_nowait(buffers)
    }

    async fn send_eof(&mut self) -> Result<()> {
        self.stream.send_eof().await
    }

    async fn close_sending(self) -> Result<()> {
        self.stream.close_sending().await
    }
}

/// The receiving half keeps the buffer.
impl<S: Split> Split for BufferedByteStream<S> {
    type Receive = BufferedByteStream<S::Receive>;
    type Send = S::Send;

    fn split(self) -> (Self::Receive, Self::Send) {
        let (receive, send) = self.stream.split();
        (BufferedByteStream { stream: receive, buffer: self.buffer }, send)
    }

    fn reunite(receive: Self::Receive, send: Self::Send) -> Result<Self, (Self::Receive, Self::Send)> {
        let BufferedByteStream { stream, buffer } = receive;
        match S::reunite(stream, send) {
            Ok(stream) => Ok(Self { stream, buffer }),
            Err((stream, send)) => Err((BufferedByteStream { stream, buffer }, send)),
        }
    }
}

impl<S: ByteStream> ByteStream for BufferedByteStream<S> {
    async fn close(self) -> Result<()> {
        self.stream.close().await
    }
}

impl<S: Attributes> Attributes for BufferedByteStream<S> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.stream.provide(request);
    }
}
