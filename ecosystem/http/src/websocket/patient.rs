//! A connection that does not end by a cancellation.

use crate::UpgradedStream;
use futures_io::{AsyncRead, AsyncWrite};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

/// A connection whose reads and writes do not fail in a cancelled scope but wait. tungstenite takes any failure for the end;
/// that the scope is cancelled is noticed around it.
#[derive(Debug)]
pub(super) struct Patient(pub(super) UpgradedStream);

fn wait<T>(polled: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
    match polled {
        Poll::Ready(Err(error)) if error.raw_os_error() == Some(libc::ECANCELED) => {
            // The task of the other half may have waited for the same.
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        polled => polled,
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        wait(Pin::new(&mut self.0).poll_read(cx, buffer), cx)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        wait(Pin::new(&mut self.0).poll_write(cx, bytes), cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        wait(Pin::new(&mut self.0).poll_write_vectored(cx, slices), cx)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        wait(Pin::new(&mut self.0).poll_flush(cx), cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        wait(Pin::new(&mut self.0).poll_close(cx), cx)
    }
}
