//! Writing to a stream of bytes.

use crate::{error::Result, streams::ByteSendStream};
use futures_io::AsyncWrite;
use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// How many bytes are taken over by one write at most.
const PIECE: usize = 64 * 1024;

type Sending<W> = Pin<Box<dyn Future<Output = (W, Vec<u8>, Result<()>)>>>;

/// Makes a stream of bytes something to write to.
///
/// A write takes bytes over and begins to send them; the next write, or a flush, waits until they are sent, and gives the
/// error if they cannot be. So flush before dropping this, or the last piece may be lost. Closing flushes and drops the
/// stream, which for one half of a connection sends the end.
///
/// # Cancel safety
/// Sending that has begun goes on at the next write or flush if that is dropped. If it is cancelled, a part of the bytes
/// may have been sent, as with the stream itself, and the stream goes on behind them.
pub struct ByteWriter<W> {
    state: State<W>,
}

enum State<W> {
    /// The memory is kept for the next piece.
    Idle(W, Vec<u8>),
    Sending(Sending<W>),
    Closed,
}

// What is pinned lies in a box.
impl<W> Unpin for ByteWriter<W> {}

impl<W> ByteWriter<W> {
    /// Writes to this stream.
    pub fn new(stream: W) -> Self {
        Self { state: State::Idle(stream, Vec::new()) }
    }

    /// The stream, unless it is sending or was closed.
    pub fn into_inner(self) -> Option<W> {
        match self.state {
            State::Idle(stream, _) => Some(stream),
            State::Sending(_) | State::Closed => None,
        }
    }
}

impl<W: ByteSendStream + 'static> ByteWriter<W> {
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let State::Sending(sending) = &mut self.state else { return Poll::Ready(Ok(())) };
        let (stream, memory, result) = ready!(sending.as_mut().poll(cx));
        self.state = State::Idle(stream, memory);
        Poll::Ready(result.map_err(io::Error::from))
    }
}

impl<W: ByteSendStream + 'static> AsyncWrite for ByteWriter<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let State::Idle(mut stream, mut memory) = std::mem::replace(&mut self.state, State::Closed) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let count = bytes.len().min(PIECE);
        memory.clear();
        memory.extend_from_slice(&bytes[..count]);
        self.state = State::Sending(Box::pin(async move {
            let (result, memory) = stream.send_buf(memory).await;
            (stream, memory, result)
        }));
        match self.poll_sent(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_sent(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(cx))?;
        self.state = State::Closed;
        Poll::Ready(Ok(()))
    }
}

impl<W> fmt::Debug for ByteWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Idle(..) => "idle",
            State::Sending(_) => "sending",
            State::Closed => "closed",
        };
        f.debug_struct("ByteWriter").field("state", &state).finish_non_exhaustive()
    }
}
