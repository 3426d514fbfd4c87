//! A connection of the pool.

use crate::HyperIo;
use anyio::{OnThread, streams::Split};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};

trait Io: Read + Write + Unpin {}

impl<T: Read + Write + Unpin> Io for T {}

/// A connection to a server or a proxy, of whichever kind.
pub(super) struct Link {
    io: OnThread<Box<dyn Io>>,
    is_http2: bool,
    /// Whether a proxy reads what is sent, and not the server.
    is_forwarded: bool,
}

impl Link {
    pub(super) fn new<S: Split>(stream: S) -> Self {
        Self { io: OnThread::new(Box::new(HyperIo::new(stream))), is_http2: false, is_forwarded: false }
    }

    pub(super) fn http2(self, is_http2: bool) -> Self {
        Self { is_http2, ..self }
    }

    pub(super) fn forwarded(self) -> Self {
        Self { is_forwarded: true, ..self }
    }
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        let connected = Connected::new().proxy(self.is_forwarded);
        if self.is_http2 { connected.negotiated_h2() } else { connected }
    }
}

impl Read for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut **self.io).poll_read(cx, buffer)
    }
}

impl Write for Link {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut **self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut **self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut **self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut **self.io).poll_shutdown(cx)
    }
}
