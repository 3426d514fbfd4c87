//! What hyper reads from and writes to.
//!
//! # Contract
//! The room of one of hyper's buffers is what it says that it is, and is filled from its beginning.

use crate::server::Sending;
use anyio::{
    Chunk, OnThread,
    net::attribute::Acknowledged,
    streams::{
        Attributes, ByteReceiveStream, ByteSendStream, Split,
        io::{ByteReader, ByteWriter},
    },
};
use bytes::{BufMut, buf::UninitSlice};
use futures_io::AsyncWrite;
use hyper::rt::{Read, ReadBufCursor, Write};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// A stream of anyio's as what hyper reads from and writes to.
///
/// What was received is copied once, from the runtime's buffer into hyper's, without clearing that before, or received there
/// right away where a lot comes; what is written in several pieces leaves as one. What is little leaves with the run's next turn,
/// and a flush does not wait for that: what went wrong is told by the next call, and shutting down waits. That is for HTTP. Who has
/// the connection afterwards (`hyper::upgrade::on`) may drop it as soon as it is flushed: it writes nothing once, that is no bytes,
/// and from then on a flush waits. ([`UpgradedStream`](crate::UpgradedStream) has done so.) hyper demands `Send` of what it
/// upgrades, so this is: on another thread it panics.
///
/// ```
/// use anyio::{Result, net::UnixStream, task_group};
/// use anyio_http::HyperIo;
/// use http_body_util::{BodyExt, Empty};
/// use hyper::{Request, body::Bytes, client};
///
/// # anyio::run(async || -> Result<()> {
/// let (ours, theirs) = UnixStream::pair()?;
/// task_group(async |tg| -> Result<()> {
///     tg.start_soon(async move {
///         theirs.receive().await?;
///         theirs.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await
///     });
///     let (mut sender, connection) = client::conn::http1::handshake(HyperIo::new(ours)).await.unwrap();
///     tg.start_soon(async { drop(connection.await) });
///     let answer = sender.send_request(Request::new(Empty::<Bytes>::new())).await.unwrap();
///     assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "hello");
///     drop(sender);
///     Ok(())
/// })
/// .await?;
/// # Ok(()) }).unwrap();
/// ```
///
/// # Cancel safety
/// In a cancelled scope, reads and writes fail with an error that is a cancellation when it is converted to
/// [`anyio::Error`]; no byte is lost.
#[derive(Debug)]
pub struct HyperIo<R, W> {
    reader: OnThread<ByteReader<R>>,
    output: OnThread<Output<R, W>>,
    /// What was received before.
    beginning: Option<OnThread<Chunk>>,
}

/// What is written to, and who is told how that goes.
#[derive(Debug)]
struct Output<R, W> {
    writer: ByteWriter<W>,
    listener: Option<Listener<R>>,
    /// Whether what is little can be left to the stream, as for HTTP, which shuts down in the end and waits for that; else a flush
    /// has to wait for it.
    is_http: bool,
}

#[derive(Debug)]
struct Listener<R> {
    sending: Rc<Sending>,
    /// Asks how much the other side has acknowledged.
    acknowledged: fn(&ByteReader<R>) -> Option<u64>,
}

impl<R, W: ByteSendStream + 'static> Output<R, W> {
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if slices.iter().all(|slice| slice.is_empty()) {
            // HTTP writes no such thing.
            self.is_http = false;
            return Poll::Ready(Ok(0));
        }
        if self.is_http {
            self.writer.poll_write_soon(cx, slices)
        } else {
            Pin::new(&mut self.writer).poll_write_vectored(cx, slices)
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_http { self.writer.poll_flush_soon(cx) } else { Pin::new(&mut self.writer).poll_flush(cx) }
    }

    /// Tells of a write.
    #[inline]
    fn tell_written(&self, written: &Poll<io::Result<usize>>, reader: &OnThread<ByteReader<R>>) {
        let Some(Listener { sending, acknowledged }) = &self.listener else { return };
        match written {
            Poll::Pending => sending.wait(|| acknowledged(reader)),
            Poll::Ready(Ok(count)) if sending.is_behind() => sending.go_on(*count),
            Poll::Ready(_) => {}
        }
    }

    /// Tells of a flush, or the end.
    #[inline]
    fn tell_flushed(&self, flushed: &Poll<io::Result<()>>, reader: &OnThread<ByteReader<R>>) {
        let Some(Listener { sending, acknowledged }) = &self.listener else { return };
        match flushed {
            Poll::Pending => sending.wait(|| acknowledged(reader)),
            Poll::Ready(_) if sending.is_behind() => sending.catch_up(),
            Poll::Ready(_) => {}
        }
    }
}

impl<R: ByteReceiveStream + 'static, W: ByteSendStream + 'static> HyperIo<R, W> {
    /// Reads from and writes to a stream.
    pub fn new<S: Split<Receive = R, Send = W>>(stream: S) -> Self {
        let (receive, send) = stream.split();
        Self::from_halves(receive, send)
    }

    /// Reads from one stream and writes to another.
    pub fn from_halves(receive: R, send: W) -> Self {
        Self {
            reader: OnThread::new(ByteReader::new(receive)),
            output: OnThread::new(Output { writer: ByteWriter::new(send), listener: None, is_http: true }),
            beginning: None,
        }
    }

    /// What is read first, before what comes from the stream.
    #[must_use]
    pub fn with_beginning(mut self, beginning: Chunk) -> Self {
        // To hyper nothing is the end.
        self.beginning = (!beginning.is_empty()).then(|| OnThread::new(beginning));
        self
    }

    /// Tells how what is written goes out.
    pub(crate) fn telling(mut self, sending: Rc<Sending>) -> Self
    where
        R: Attributes,
    {
        let acknowledged = |reader: &ByteReader<R>| reader.extra::<Acknowledged>();
        self.output.listener = Some(Listener { sending, acknowledged });
        self
    }

    /// The part that reads and the part that writes, and what was to be read first and was not.
    ///
    /// # Panics
    /// On another thread.
    pub fn into_parts(self) -> (Option<Chunk>, ByteReader<R>, ByteWriter<W>) {
        (self.beginning.map(OnThread::into_inner), self.reader.into_inner(), self.output.into_inner().writer)
    }
}

/// The room that a buffer of hyper's has left.
struct Room<'a>(ReadBufCursor<'a>);

// SAFETY: the room is what the cursor has left, which stays that until it is advanced.
unsafe impl BufMut for Room<'_> {
    #[inline]
    fn remaining_mut(&self) -> usize {
        self.0.remaining()
    }

    #[inline]
    unsafe fn advance_mut(&mut self, count: usize) {
        // SAFETY: the caller has initialised so many bytes.
        unsafe { self.0.advance(count) };
    }

    #[inline]
    fn chunk_mut(&mut self) -> &mut UninitSlice {
        // SAFETY: nothing that is initialised is made uninitialised, as that cannot be done to such a slice.
        UninitSlice::uninit(unsafe { self.0.as_mut() })
    }

    #[inline]
    fn put_slice(&mut self, bytes: &[u8]) {
        self.0.put_slice(bytes);
    }
}

impl<R: ByteReceiveStream + 'static, W: ByteSendStream + 'static> Read for HyperIo<R, W> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(beginning) = &mut self.beginning {
            let count = beginning.len().min(buffer.remaining());
            buffer.put_slice(&beginning[..count]);
            beginning.advance(count);
            if beginning.is_empty() {
                self.beginning = None;
            }
            return Poll::Ready(Ok(()));
        }
        self.reader.poll_read_buf(cx, &mut Room(buffer)).map_ok(drop)
    }
}

impl<R: ByteReceiveStream + 'static, W: ByteSendStream + 'static> Write for HyperIo<R, W> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Self { reader, output, .. } = &mut *self;
        let output = &mut **output;
        let written = output.poll_write(cx, slices);
        output.tell_written(&written, reader);
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { reader, output, .. } = &mut *self;
        let output = &mut **output;
        let flushed = output.poll_flush(cx);
        output.tell_flushed(&flushed, reader);
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { reader, output, .. } = &mut *self;
        let output = &mut **output;
        let closed = Pin::new(&mut output.writer).poll_close(cx);
        output.tell_flushed(&closed, reader);
        closed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyio::{lowlevel::take_chunk, testing::memory_stream_pair};
    use hyper::rt::ReadBuf;
    use std::future::poll_fn;

    #[anyio::test]
    async fn a_beginning_of_nothing_is_no_end() -> anyio::Result<()> {
        let (mut client, server) = memory_stream_pair();
        client.send("hello").await?;
        let mut io = HyperIo::new(server).with_beginning(take_chunk());
        let mut room = [0; 16];
        let mut buffer = ReadBuf::new(&mut room);
        poll_fn(|cx| Pin::new(&mut io).poll_read(cx, buffer.unfilled())).await?;
        assert_eq!(buffer.filled(), b"hello");
        Ok(())
    }
}
