//! Writing to a stream of bytes.

use crate::{
    error::Error,
    streams::{AttributeRequest, Attributes, ByteSendStream, piece_sender::PieceSender},
};
use futures_io::AsyncWrite;
use std::{
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// How many bytes are taken over by one write at most.
const PIECE: usize = 64 * 1024;

/// Up to so many bytes of several buffers are sent as one.
const SMALL: usize = 1024;

/// Makes a stream of bytes something to write to. Writes allocate nothing once the first ones have.
///
/// Of a write as much as possible is sent at once, from where it lies, if the stream [can do that](ByteSendStream::send_nowait).
/// Otherwise bytes are taken over, those of several buffers as one piece, and begin to be sent; the next write, or a flush,
/// waits until they are, and gives the error if they cannot be. So flush before dropping this, or the last piece may be lost.
/// Closing flushes, [sends the end](ByteSendStream::send_eof) and drops the stream.
///
/// # Cancel safety
/// No byte is lost when a write or a flush is cancelled or dropped: what was taken over and not sent goes out with the next
/// one. If closing is cancelled once all bytes are sent, the stream is dropped all the same.
pub struct ByteWriter<W> {
    /// `None` when closed.
    open: Option<PieceSender<W>>,
}

// The stream lies elsewhere.
impl<W> Unpin for ByteWriter<W> {}

impl<W> ByteWriter<W> {
    /// The stream, unless it was closed, or has something to send. After a flush it has not.
    pub fn into_inner(self) -> Option<W> {
        self.open.filter(PieceSender::is_idle).map(PieceSender::into_inner)
    }

    /// Sends bytes at once, or takes them over and begins to send them.
    fn poll_take(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>>
    where
        W: ByteSendStream,
    {
        let Some(sender) = self.open.as_mut().filter(|sender| !sender.is_ending()) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        ready!(sender.poll_sent(cx))?;
        // What is small and in several pieces is copied all the same, as the kernel takes one for less than a list.
        let is_small = slices.len() > 1 && slices.iter().map(|slice| slice.len()).sum::<usize>() <= SMALL;
        if !is_small {
            if let Some(sent) = sender.send_nowait(slices) {
                return Poll::Ready(sent.map_err(io::Error::from));
            }
        }
        let piece = sender.piece();
        for slice in slices {
            let count = slice.len().min(PIECE - piece.len());
            piece.extend_from_slice(&slice[..count]);
            if piece.len() == PIECE {
                break;
            }
        }
        let count = piece.len();
        match sender.poll_sent(cx) {
            // If a part was sent, the rest goes out later; else nothing was taken over.
            Poll::Ready(Err(Error::Cancelled(_))) if !sender.is_unsent() => Poll::Ready(Ok(count)),
            Poll::Ready(Err(error)) => {
                sender.give_up();
                Poll::Ready(Err(error.into()))
            }
            Poll::Ready(Ok(_)) | Poll::Pending => Poll::Ready(Ok(count)),
        }
    }
}

impl<W: ByteSendStream + 'static> ByteWriter<W> {
    /// Writes to this stream.
    pub fn new(stream: W) -> Self {
        Self { open: Some(PieceSender::new(stream)) }
    }
}

impl<W: ByteSendStream + 'static> ByteWriter<W> {
    /// Writes as [`poll_write_vectored`](AsyncWrite::poll_write_vectored) does, but what the stream
    /// [takes over](ByteSendStream::send_soon) is only given to it, and is sent together with what else the run has for the
    /// system. So the task need not be polled again for it.
    ///
    /// # Errors
    /// As for other writes. What becomes of bytes that were taken over is told by the next call.
    pub fn poll_write_soon(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(sender) = self.open.as_mut().filter(|sender| !sender.is_ending()) {
            if let Some(count) = ready!(sender.poll_send_soon(cx, slices))? {
                return Poll::Ready(Ok(count));
            }
        }
        self.poll_take(cx, slices)
    }

    /// Flushes as [`poll_flush`](AsyncWrite::poll_flush) does, but does not wait for what is [only taken
    /// over](Self::poll_write_soon): that goes out by itself, as soon as there is room for it. What there is room for when this is
    /// dropped goes out, too.
    ///
    /// # Errors
    /// As for other flushes.
    pub fn poll_flush_soon(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(sender) = &mut self.open else { return Poll::Ready(Ok(())) };
        sender.poll_sent_or_sending(cx).map_ok(drop).map_err(io::Error::from)
    }
}

impl<W: ByteSendStream + 'static> AsyncWrite for ByteWriter<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_take(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_take(cx, slices)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(sender) = &mut self.open else { return Poll::Ready(Ok(())) };
        sender.poll_sent(cx).map_ok(drop).map_err(io::Error::from)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(sender) = &mut self.open else { return Poll::Ready(Ok(())) };
        let ended = ready!(sender.poll_ended(cx));
        if ended.is_ok() || sender.is_ending() {
            self.open = None;
        }
        Poll::Ready(ended.map(drop).map_err(io::Error::from))
    }
}

/// Those of the stream. They are not known while a send is in flight, which a flush waits for, and when this is closed.
impl<W: Attributes> Attributes for ByteWriter<W> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        if let Some(sender) = &self.open {
            sender.provide(request);
        }
    }
}

impl<W> fmt::Debug for ByteWriter<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.open {
            Some(sender) if sender.is_running() => "sending",
            Some(_) => "idle",
            None => "closed",
        };
        f.debug_struct("ByteWriter").field("state", &state).finish_non_exhaustive()
    }
}
