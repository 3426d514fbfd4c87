//! What the streams of a connection of HTTP/2 have to send, gathered while the connection is polled.
//!
//! hyper looks for the next request after each one, and writes then what the streams have to send that have begun. It leaves as
//! one piece when there is nothing more to look for: with one call of the system, and as one record of TLS.

use crate::HyperIo;
use anyio::streams::{ByteReceiveStream, ByteSendStream};
use hyper::rt::{Read, ReadBufCursor, Write};
use std::{
    cell::RefCell,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

/// So much is gathered at most, which is what a record of TLS may have.
const MOST: usize = 16 * 1024;

/// What is longer leaves from where it lies, behind what was gathered before it.
const LONGEST: usize = 4096;

/// Memory for so much is kept for the next time.
const KEPT: usize = 4096;

/// What hyper reads from and writes to.
pub(super) struct GatheringIo<R, W>(Rc<RefCell<Gathering<R, W>>>);

struct Gathering<R, W> {
    io: HyperIo<R, W>,
    bytes: Vec<u8>,
    /// Whether all was read in this poll of the connection, which is woken when there is more.
    is_read: bool,
    /// Whether there was no room for what was gathered before.
    is_stuck: bool,
    /// What went wrong with what was gathered.
    failure: Option<io::Error>,
}

/// What was gathered of a connection, for who polls that.
pub(super) trait Gathered {
    /// Has it leave, when the connection was polled. True if that went wrong, which the connection is told when it is polled
    /// again.
    fn leave(&self, cx: &mut Context<'_>) -> bool;

    /// Has the connection, which is being polled, read again what may have come since: it is not woken for that.
    fn look_again(&self);
}

/// Gathers what is written. Who polls what writes has it leave after each poll.
pub(super) fn gathering<R, W>(io: HyperIo<R, W>) -> (GatheringIo<R, W>, Rc<dyn Gathered>)
where
    R: ByteReceiveStream + 'static,
    W: ByteSendStream + 'static,
{
    let gathering = Gathering { io, bytes: Vec::new(), is_read: false, is_stuck: false, failure: None };
    let gathering = Rc::new(RefCell::new(gathering));
    (GatheringIo(gathering.clone()), gathering)
}

impl<R: ByteReceiveStream + 'static, W: ByteSendStream + 'static> Gathered for RefCell<Gathering<R, W>> {
    #[inline]
    fn leave(&self, cx: &mut Context<'_>) -> bool {
        let mut gathering = self.borrow_mut();
        gathering.is_read = false;
        if gathering.bytes.is_empty() {
            return false;
        }
        match gathering.poll_left(cx) {
            Poll::Ready(Err(error)) => {
                gathering.failure = Some(error);
                // It is not tried again, whether the connection asks what became of it in this poll or not.
                gathering.bytes.clear();
                true
            }
            // What it waits for wakes the connection.
            Poll::Ready(Ok(())) | Poll::Pending => false,
        }
    }

    #[inline]
    fn look_again(&self) {
        self.borrow_mut().is_read = false;
    }
}

impl<R: ByteReceiveStream + 'static, W: ByteSendStream + 'static> Gathering<R, W> {
    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(error) = self.failure.take() {
            return Poll::Ready(Err(error));
        }
        if bytes.len() <= LONGEST && self.bytes.len() + bytes.len() <= MOST {
            self.bytes.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        while !self.bytes.is_empty() {
            let both = [IoSlice::new(&self.bytes), IoSlice::new(bytes)];
            let count = ready!(Pin::new(&mut self.io).poll_write_vectored(cx, &both))?;
            let gathered = self.bytes.len();
            self.pass(count.min(gathered))?;
            if count > gathered {
                return Poll::Ready(Ok(count - gathered));
            }
        }
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    /// Has what was gathered leave.
    fn poll_left(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.bytes.is_empty() {
            let Poll::Ready(written) = Pin::new(&mut self.io).poll_write(cx, &self.bytes) else {
                self.is_stuck = true;
                return Poll::Pending;
            };
            self.pass(written?)?;
        }
        Pin::new(&mut self.io).poll_flush(cx)
    }

    /// So much of what was gathered was written.
    fn pass(&mut self, count: usize) -> io::Result<()> {
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        if count < self.bytes.len() {
            self.bytes.drain(..count);
            return Ok(());
        }
        self.is_stuck = false;
        self.bytes.clear();
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
        }
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.failure.take() {
            return Poll::Ready(Err(error));
        }
        if self.is_stuck {
            ready!(self.poll_left(cx))?;
        }
        // What was gathered leaves when the connection was polled.
        if self.bytes.is_empty() { Pin::new(&mut self.io).poll_flush(cx) } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = self.failure.take() {
            return Poll::Ready(Err(error));
        }
        if !self.bytes.is_empty() {
            ready!(self.poll_left(cx))?;
        }
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl<R: ByteReceiveStream + 'static, W: ByteSendStream + 'static> Read for GatheringIo<R, W> {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let mut gathering = self.0.borrow_mut();
        if gathering.is_read {
            return Poll::Pending;
        }
        let polled = Pin::new(&mut gathering.io).poll_read(cx, buffer);
        gathering.is_read = polled.is_pending();
        polled
    }
}

impl<R: ByteReceiveStream + 'static, W: ByteSendStream + 'static> Write for GatheringIo<R, W> {
    #[inline]
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.borrow_mut().poll_write(cx, bytes)
    }

    // Not vectored, as pieces become one here.

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.borrow_mut().poll_shutdown(cx)
    }
}
