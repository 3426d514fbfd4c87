//! Writing to a stream of bytes.

use crate::{
    error::Result,
    streams::{ByteSendStream, repeated::Repeated, shared::Shared},
};
use futures_io::AsyncWrite;
use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// How many bytes are taken over by one write at most.
const PIECE: usize = 64 * 1024;

/// Makes a stream of bytes something to write to. Writes allocate nothing once the first ones have.
///
/// A write takes bytes over and begins to send them; the next write, or a flush, waits until they are sent, and gives the
/// error if they cannot be. So flush before dropping this, or the last piece may be lost. Closing flushes and drops the
/// stream, which for one half of a connection sends the end.
///
/// # Cancel safety
/// Sending that has begun goes on at the next write or flush if that is dropped. If it is cancelled, a part of the bytes
/// may have been sent, as with the stream itself, and the stream goes on behind them.
pub struct ByteWriter<W> {
    /// `None` when closed.
    open: Option<Open<W>>,
}

struct Open<W> {
    // Dropped before the stream.
    sending: Repeated<Vec<u8>, (Result<()>, Vec<u8>)>,
    stream: Shared<W>,
    /// Kept for the next piece.
    memory: Vec<u8>,
}

impl<W> Open<W> {
    /// Waits until what was taken over is sent.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.sending.is_running() {
            return Poll::Ready(Ok(()));
        }
        let (result, memory) = ready!(self.sending.poll(cx));
        self.memory = memory;
        Poll::Ready(result.map_err(io::Error::from))
    }
}

// The stream lies elsewhere.
impl<W> Unpin for ByteWriter<W> {}

impl<W> ByteWriter<W> {
    /// The stream, unless it is sending or was closed. After a flush it is not sending.
    pub fn into_inner(self) -> Option<W> {
        let Open { sending, stream, .. } = self.open?;
        let is_sending = sending.is_running();
        drop(sending);
        (!is_sending).then(|| stream.into_inner())
    }
}

impl<W: ByteSendStream + 'static> ByteWriter<W> {
    /// Writes to this stream.
    pub fn new(stream: W) -> Self {
        let stream = Shared::new(stream);
        let share = stream.share();
        let sending = Repeated::new(move |piece| {
            share.share().with(async |stream: &mut W| stream.send_buf(piece).await)
        });
        Self { open: Some(Open { sending, stream, memory: Vec::new() }) }
    }
}

impl<W: ByteSendStream + 'static> AsyncWrite for ByteWriter<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(open) = &mut self.open else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        ready!(open.poll_sent(cx))?;
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let count = bytes.len().min(PIECE);
        let mut piece = std::mem::take(&mut open.memory);
        piece.clear();
        piece.extend_from_slice(&bytes[..count]);
        open.sending.begin(piece);
        match open.poll_sent(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.open.as_mut().map_or(Poll::Ready(Ok(())), |open| open.poll_sent(cx))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        self.open = None;
        Poll::Ready(Ok(()))
    }
}

impl<W> fmt::Debug for ByteWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.open {
            Some(open) if open.sending.is_running() => "sending",
            Some(_) => "idle",
            None => "closed",
        };
        f.debug_struct("ByteWriter").field("state", &state).finish_non_exhaustive()
    }
}
