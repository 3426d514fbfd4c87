//! Reading from a stream of bytes.

use crate::{error::Result, streams::ByteReceiveStream};
use anyio_driver::Chunk;
use futures_io::{AsyncBufRead, AsyncRead};
use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

type Receiving<R> = Pin<Box<dyn Future<Output = (R, Result<Option<Chunk>>)>>>;

/// Makes a stream of bytes something to read from.
///
/// # Cancel safety
/// No byte is lost when a read is cancelled or dropped: what had begun goes on at the next read. If the scope in which it
/// began is gone by then, it can no longer be cancelled until it has received something.
pub struct ByteReader<R> {
    state: State<R>,
    /// What was received and not yet read.
    chunk: Option<Chunk>,
}

enum State<R> {
    Idle(R),
    Receiving(Receiving<R>),
    /// The stream was lost in a panic.
    Lost,
}

// What is pinned lies in a box.
impl<R> Unpin for ByteReader<R> {}

impl<R> ByteReader<R> {
    /// Reads from this stream.
    pub fn new(stream: R) -> Self {
        Self { state: State::Idle(stream), chunk: None }
    }

    /// The stream, unless a read has begun that has not ended, and what was received and not yet read.
    pub fn into_inner(self) -> (Option<R>, Option<Chunk>) {
        let stream = match self.state {
            State::Idle(stream) => Some(stream),
            State::Receiving(_) | State::Lost => None,
        };
        (stream, self.chunk)
    }
}

impl<R: ByteReceiveStream + 'static> ByteReader<R> {
    /// What there is to read; nothing at the end.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        while self.chunk.as_ref().is_none_or(|chunk| chunk.is_empty()) {
            self.chunk = None;
            let mut receiving = match std::mem::replace(&mut self.state, State::Lost) {
                State::Receiving(receiving) => receiving,
                State::Idle(mut stream) => Box::pin(async move {
                    let received = stream.receive().await;
                    (stream, received)
                }),
                State::Lost => return Poll::Ready(Err(io::Error::other("an earlier read has panicked"))),
            };
            let Poll::Ready((stream, received)) = receiving.as_mut().poll(cx) else {
                self.state = State::Receiving(receiving);
                return Poll::Pending;
            };
            self.state = State::Idle(stream);
            match received? {
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

impl<R> fmt::Debug for ByteReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteReader")
            .field("receiving", &matches!(self.state, State::Receiving(_)))
            .field("buffered", &self.chunk.as_ref().map_or(0, |chunk| chunk.len()))
            .finish_non_exhaustive()
    }
}
