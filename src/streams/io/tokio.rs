//! Tokio's traits.
//!
//! # Contract
//! The room of one of tokio's buffers is what it says that it is, and counts as filled and initialised by what was filled.

use super::{ByteIo, ByteReader, ByteWriter};
use crate::streams::{ByteReceiveStream, ByteSendStream};
use bytes::{BufMut, buf::UninitSlice};
use futures_io::AsyncWrite as _;
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};

/// The room that a buffer has left.
struct Room<'a, 'b>(&'a mut ReadBuf<'b>);

// SAFETY: the room is what the buffer has left, which stays that until it is advanced.
unsafe impl BufMut for Room<'_, '_> {
    fn remaining_mut(&self) -> usize {
        self.0.remaining()
    }

    unsafe fn advance_mut(&mut self, count: usize) {
        // SAFETY: the caller has initialised so many bytes.
        unsafe { self.0.assume_init(count) };
        self.0.advance(count);
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        // SAFETY: nothing that is initialised is made uninitialised, as that cannot be done to such a slice.
        UninitSlice::uninit(unsafe { self.0.unfilled_mut() })
    }
}

impl<R: ByteReceiveStream + 'static> AsyncRead for ByteReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_read_buf(cx, &mut Room(buffer)).map_ok(drop)
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

impl<W: ByteSendStream + 'static> AsyncWrite for ByteWriter<W> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        futures_io::AsyncWrite::poll_write(self, cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        futures_io::AsyncWrite::poll_write_vectored(self, cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        futures_io::AsyncWrite::poll_flush(self, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_close(cx)
    }
}

impl<R: ByteReceiveStream + 'static, W> AsyncRead for ByteIo<R, W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(&mut self.reader), cx, buffer)
    }
}

impl<R: ByteReceiveStream + 'static, W> AsyncBufRead for ByteIo<R, W> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.get_mut().reader.poll_fill(cx)
    }

    fn consume(mut self: Pin<&mut Self>, count: usize) {
        self.reader.consumed(count);
    }
}

impl<R, W: ByteSendStream + 'static> AsyncWrite for ByteIo<R, W> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.writer), cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write_vectored(Pin::new(&mut self.writer), cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.writer), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writer).poll_close(cx)
    }
}
