//! A connection that has become something else than HTTP.

use crate::cancellation::{CancellationWatch, Failure};
use anyio::{CancelAware, lowlevel::is_cancelled};
use futures_io::{AsyncRead, AsyncWrite};
use hyper::{
    rt::{Read, ReadBuf, Write},
    upgrade::Upgraded,
};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

/// A connection that was HTTP before, to read from and write to by the traits of `futures-io`. With
/// [`ReadStream`](anyio::streams::io::ReadStream) and [`WriteStream`](anyio::streams::io::WriteStream) it becomes streams.
///
/// # Cancel safety
/// In a cancelled scope, reads and writes fail with an error that is a cancellation when it is converted to
/// [`anyio::Error`]; no byte is lost.
#[derive(Debug)]
pub struct UpgradedStream {
    upgraded: Upgraded,
    // Streams of HTTP/2 know nothing of scopes.
    reading: CancellationWatch,
    writing: CancellationWatch,
    read_failure: Failure<io::Error>,
    write_failure: Failure<io::Error>,
}

impl UpgradedStream {
    pub(crate) fn new(mut upgraded: Upgraded) -> Self {
        // From now on nobody looks after what is sent: see `HyperIo`. That does not wait, and cannot fail.
        let _ = Pin::new(&mut upgraded).poll_write(&mut Context::from_waker(Waker::noop()), &[]);
        Self {
            upgraded,
            reading: CancellationWatch::default(),
            writing: CancellationWatch::default(),
            read_failure: Failure::default(),
            write_failure: Failure::default(),
        }
    }

    /// The same as hyper has it.
    pub fn into_inner(self) -> Upgraded {
        self.upgraded
    }

    /// Writes, or what belongs to that, unless the scope is cancelled meanwhile.
    fn poll_writing<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut Upgraded>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let polled = self.write_failure.keep(|| unless_cancelled(poll(Pin::new(&mut self.upgraded), cx)));
        Poll::Ready(ready!(self.writing.check(polled, cx))?)
    }
}

/// That it is cancelled in this scope is nothing that has failed: in another one it goes on.
fn unless_cancelled<T>(polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
    match polled {
        Poll::Ready(Err(error)) if is_cancelled() && error.is_cancelled() => Poll::Pending,
        polled => polled,
    }
}

impl AsyncRead for UpgradedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let Self { upgraded, read_failure, .. } = &mut *self;
        let mut polled =
            read_failure.keep(|| unless_cancelled(Pin::new(upgraded).poll_read(cx, buffer.unfilled())));
        // A connection that a cancellation has ended looks like one that the other side has.
        if polled.is_ready() && buffer.filled().is_empty() && is_cancelled() {
            polled = Poll::Pending;
        }
        ready!(self.reading.check(polled, cx))??;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl AsyncWrite for UpgradedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_writing(cx, |upgraded, cx| upgraded.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_writing(cx, |upgraded, cx| upgraded.poll_write_vectored(cx, slices))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_writing(cx, |upgraded, cx| upgraded.poll_flush(cx))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_writing(cx, |upgraded, cx| upgraded.poll_shutdown(cx))
    }
}
