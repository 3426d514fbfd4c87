//! Reading from a stream of bytes.

use crate::{
    error::Result,
    streams::{AttributeRequest, Attributes, ByteReceiveStream, repeated::Repeated, shared::Shared},
};
use anyio_driver::Chunk;
use futures_io::{AsyncBufRead, AsyncRead};
use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Makes a stream of bytes something to read from. Reads allocate nothing.
///
/// # Cancel safety
/// No byte is lost when a read is cancelled or dropped: what had begun goes on at the next read. If the scope in which it
/// began is gone by then, it can no longer be cancelled until it has received something.
pub struct ByteReader<R> {
    // Dropped before the stream.
    receiving: Repeated<(), Result<Option<Chunk>>>,
    stream: Shared<R>,
    /// What was received and not yet read.
    chunk: Option<Chunk>,
}

// The stream lies elsewhere.
impl<R> Unpin for ByteReader<R> {}

impl<R> ByteReader<R> {
    /// The stream, and what was received from it and not yet read. A receive in flight is dropped, which loses nothing: the
    /// stream gives what it would have brought.
    pub fn into_inner(self) -> (R, Option<Chunk>) {
        drop(self.receiving);
        (self.stream.into_inner(), self.chunk.filter(|chunk| !chunk.is_empty()))
    }
}

impl<R: ByteReceiveStream + 'static> ByteReader<R> {
    /// Reads from this stream.
    pub fn new(stream: R) -> Self {
        let stream = Shared::new(stream);
        let share = stream.share();
        let receiving =
            Repeated::new(move |()| share.share().with(async |stream: &mut R| stream.receive().await));
        Self { receiving, stream, chunk: None }
    }

    /// What there is to read; nothing at the end.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        while self.chunk.as_ref().is_none_or(|chunk| chunk.is_empty()) {
            self.chunk = None;
            if !self.receiving.is_running() {
                self.receiving.begin(());
            }
            match ready!(self.receiving.poll(cx))? {
                Some(chunk) => self.chunk = Some(chunk),
                None => return Poll::Ready(Ok(&[])),
            }
        }
        Poll::Ready(Ok(self.chunk.as_deref().unwrap_or_default()))
    }

    pub(super) fn consumed(&mut self, count: usize) {
        if let Some(chunk) = &mut self.chunk {
            chunk.advance(count);
        }
    }
}

impl<R: ByteReceiveStream + 'static> AsyncRead for ByteReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let bytes = ready!(self.poll_fill(cx))?;
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.consumed(count);
        Poll::Ready(Ok(count))
    }
}

impl<R: ByteReceiveStream + 'static> AsyncBufRead for ByteReader<R> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_mut().poll_fill(cx)
    }

    fn consume(mut self: Pin<&mut Self>, count: usize) {
        self.consumed(count);
    }
}

/// Those of the stream. They are not known while a receive is in flight, as after a future that waited for one was dropped.
impl<R: Attributes> Attributes for ByteReader<R> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        self.stream.provide(request);
    }
}

impl<R> fmt::Debug for ByteReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteReader")
            .field("receiving", &self.receiving.is_running())
            .field("buffered", &self.chunk.as_ref().map_or(0, |chunk| chunk.len()))
            .finish_non_exhaustive()
    }
}
