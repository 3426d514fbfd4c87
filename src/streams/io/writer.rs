//! Writing to a stream of bytes.

use crate::{
    error::{Error, Result},
    streams::{AttributeRequest, Attributes, ByteSendStream, byte, repeated::Repeated, shared::Shared},
};
use anyio_driver::IoBuf;
use futures_io::AsyncWrite;
use std::{
    fmt,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

/// How many bytes are taken over by one write at most.
const PIECE: usize = 64 * 1024;

/// Makes a stream of bytes something to write to. Writes allocate nothing once the first ones have.
///
/// A write takes bytes over and begins to send them; the next write, or a flush, waits until they are sent, and gives the
/// error if they cannot be. So flush before dropping this, or the last piece may be lost. What is written from several
/// buffers at once is put together into one piece. Closing flushes, [sends the end](ByteSendStream::send_eof) and drops
/// the stream.
///
/// # Cancel safety
/// No byte is lost when a write or a flush is cancelled or dropped: what was taken over and not sent goes out with the next
/// one. If closing is cancelled once all bytes are sent, the stream is dropped all the same.
pub struct ByteWriter<W> {
    /// `None` when closed.
    open: Option<Open<W>>,
}

struct Open<W> {
    // Dropped before the stream.
    sending: Repeated<Command, (Result<usize>, Vec<u8>)>,
    is_ending: bool,
    stream: Shared<W>,
    /// What was taken over, unless it is being sent. The memory is kept for the next piece.
    piece: Vec<u8>,
    /// How much of the piece was sent.
    sent: usize,
}

enum Command {
    /// Send a piece from there on.
    Send(Vec<u8>, usize),
    End,
}

impl<W> Open<W> {
    /// Takes bytes over and begins to send them.
    fn poll_take<'a>(
        &mut self,
        cx: &mut Context<'_>,
        slices: impl IntoIterator<Item = &'a [u8]>,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        self.piece.clear();
        self.sent = 0;
        for slice in slices {
            let count = slice.len().min(PIECE - self.piece.len());
            self.piece.extend_from_slice(&slice[..count]);
            if self.piece.len() == PIECE {
                break;
            }
        }
        let count = self.piece.len();
        match self.poll_sent(cx) {
            // If a part was sent, the rest goes out later; else nothing was taken over.
            Poll::Ready(Err(Error::Cancelled(_))) if self.sent > 0 => Poll::Ready(Ok(count)),
            Poll::Ready(Err(error)) => {
                self.sent = count;
                Poll::Ready(Err(error.into()))
            }
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Ready(Ok(count)),
        }
    }

    /// Waits until what was taken over is sent.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            if !self.sending.is_running() {
                if self.sent == self.piece.len() {
                    return Poll::Ready(Ok(()));
                }
                self.sending.begin(Command::Send(std::mem::take(&mut self.piece), self.sent));
            }
            let (result, piece) = ready!(self.sending.poll(cx));
            self.piece = piece;
            match result {
                Ok(count) => self.sent = self.piece.len().min(self.sent + count),
                Err(error) => {
                    if !matches!(error, Error::Cancelled(_)) {
                        self.sent = self.piece.len();
                    }
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
}

// The stream lies elsewhere.
impl<W> Unpin for ByteWriter<W> {}

impl<W> ByteWriter<W> {
    /// The stream, unless it was closed, or has something to send. After a flush it has not.
    pub fn into_inner(self) -> Option<W> {
        let Open { sending, stream, piece, sent, .. } = self.open?;
        let is_idle = !sending.is_running() && sent == piece.len();
        drop(sending);
        is_idle.then(|| stream.into_inner())
    }
}

impl<W: ByteSendStream + 'static> ByteWriter<W> {
    /// Writes to this stream.
    pub fn new(stream: W) -> Self {
        let stream = Shared::new(stream);
        let share = stream.share();
        let sending = Repeated::new(move |command| {
            share.share().with(async |stream: &mut W| match command {
                Command::Send(piece, from) => {
                    let (result, rest) = stream.send_some(piece.slice(from..)).await;
                    (result, rest.into_inner())
                }
                Command::End => (byte::end(stream).await.map(|()| 0), Vec::new()),
            })
        });
        Self { open: Some(Open { sending, is_ending: false, stream, piece: Vec::new(), sent: 0 }) }
    }

    /// What can be written to, unless it was closed.
    fn writable(&mut self) -> io::Result<&mut Open<W>> {
        self.open.as_mut().filter(|open| !open.is_ending).ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl<W: ByteSendStream + 'static> AsyncWrite for ByteWriter<W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writable()?.poll_take(cx, [bytes])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writable()?.poll_take(cx, slices.iter().map(|slice| &**slice))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(open) = &mut self.open else { return Poll::Ready(Ok(())) };
        open.poll_sent(cx).map_err(io::Error::from)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(open) = &mut self.open else { return Poll::Ready(Ok(())) };
        if !open.is_ending {
            ready!(open.poll_sent(cx))?;
            open.sending.begin(Command::End);
            open.is_ending = true;
        }
        let ended = ready!(open.poll_sent(cx));
        self.open = None;
        Poll::Ready(ended.map_err(io::Error::from))
    }
}

/// Those of the stream. They are not known while a send is in flight, which a flush waits for, and when this is closed.
impl<W: Attributes> Attributes for ByteWriter<W> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        if let Some(open) = &self.open {
            open.stream.provide(request);
        }
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
