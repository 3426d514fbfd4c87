//! Reading from a stream of bytes.
//!
//! # Contract
//! What is written to a buffer is written by its own rules.

use crate::{
    error::{Error, Result},
    runtime::Core,
    streams::{AttributeRequest, Attributes, ByteReceiveStream, repeated::Repeated, shared::Shared},
};
use anyio_driver::Chunk;
use bytes::{BufMut, buf::UninitSlice};
use futures_io::{AsyncBufRead, AsyncRead};
use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// How much room a reader's buffer has at least that is received into: calls for less cost more than a copy of what one call
/// brings.
const LEAST: usize = 4096;

/// Makes a stream of bytes something to read from. Reads allocate nothing.
///
/// Where a lot comes, what is read is received right into the reader's buffer, if the stream
/// [can do that](ByteReceiveStream::receive_nowait), and as much of it as has room there.
///
/// # Cancel safety
/// No byte is lost when a read is cancelled or dropped: what had begun goes on at the next read. If the scope in which it
/// began is gone by then, it can no longer be cancelled until it has received something.
pub struct ByteReader<R> {
    source: Source<R>,
    /// Whether the last poll has received nothing, so that a receive is in flight.
    is_receiving: bool,
    /// What was received and not yet read, if that is something.
    chunk: Option<Chunk>,
    /// Whether there was as much as there was room for, so that more is likely to be there.
    has_more: bool,
    /// What the stream has said with bytes that were given out, maybe for the only time.
    failure: Option<Error>,
}

/// What is received from. One of the two is there.
struct Source<R> {
    /// What can be polled, as far as is known.
    polled: Option<R>,
    /// What needs a future, which is dropped before the stream.
    repeated: Option<(Receiving, Shared<R>)>,
}

type Receiving = Repeated<(), Result<Option<Chunk>>>;

impl<R: ByteReceiveStream + 'static> Source<R> {
    #[inline]
    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        match &mut self.polled {
            Some(stream) => stream.poll_receive(cx),
            None => self.poll_repeated(cx),
        }
    }

    #[inline(never)]
    fn poll_repeated(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        let (receiving, _) = self.repeated.as_mut().expect("what cannot be polled needs a future");
        if !receiving.is_running() {
            receiving.begin(());
        }
        receiving.poll(cx)
    }

    /// Has the stream need a future from now on. False if it does already.
    #[cold]
    fn stop_polling(&mut self) -> bool {
        let Some(stream) = self.polled.take() else { return false };
        let stream = Shared::new(stream);
        let share = stream.share();
        let receive = move |()| share.share().with(async |stream: &mut R| stream.receive().await);
        self.repeated = Some((Repeated::new(receive), stream));
        true
    }

    /// Calls a method of the stream that waits for nothing, unless a receive is using it.
    fn with_now<O>(&mut self, method: impl FnOnce(&mut R) -> O) -> Option<O> {
        match (&mut self.polled, &self.repeated) {
            (Some(stream), _) => Some(method(stream)),
            (None, Some((_, stream))) => stream.with_now(method),
            (None, None) => None,
        }
    }
}

/// A buffer, and how much was put into it: how much room it has left tells that of no buffer that grows.
struct Counted<'a, B: ?Sized> {
    buffer: &'a mut B,
    count: usize,
}

// SAFETY: all is the buffer's.
unsafe impl<B: BufMut + ?Sized> BufMut for Counted<'_, B> {
    fn remaining_mut(&self) -> usize {
        self.buffer.remaining_mut()
    }

    unsafe fn advance_mut(&mut self, count: usize) {
        // SAFETY: passed on.
        unsafe { self.buffer.advance_mut(count) };
        self.count += count;
    }

    fn chunk_mut(&mut self) -> &mut UninitSlice {
        self.buffer.chunk_mut()
    }
}

// The stream lies elsewhere.
impl<R> Unpin for ByteReader<R> {}

impl<R> ByteReader<R> {
    /// The stream, and what was received from it and not yet read. A receive in flight is dropped, which loses nothing: the
    /// stream gives what it would have brought.
    pub fn into_inner(self) -> (R, Option<Chunk>) {
        let Source { polled, repeated } = self.source;
        let taken_back = repeated.map(|(receiving, stream)| {
            drop(receiving);
            stream.into_inner()
        });
        let stream = polled.or(taken_back).expect("the stream is in one of the two");
        (stream, self.chunk)
    }
}

impl<R: ByteReceiveStream + 'static> ByteReader<R> {
    /// Reads from this stream.
    pub fn new(stream: R) -> Self {
        let source = Source { polled: Some(stream), repeated: None };
        Self { source, is_receiving: false, chunk: None, has_more: false, failure: None }
    }

    /// Reads into the room that a buffer has left, and tells how many bytes. 0 is the end, or a buffer without room. The buffer
    /// need not be initialised, as one of `&mut [MaybeUninit<u8>]`.
    ///
    /// # Errors
    /// Those of the stream, and the cancellation.
    ///
    /// # Cancel safety
    /// As for the other ways to read.
    #[inline]
    pub fn poll_read_buf(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut (impl BufMut + ?Sized),
    ) -> Poll<io::Result<usize>> {
        if !buffer.has_remaining_mut() {
            return Poll::Ready(Ok(0));
        }
        if self.chunk.is_some() || self.has_more || self.failure.is_some() {
            if let Some(read) = self.read_now(buffer) {
                return Poll::Ready(read);
            }
        }
        match ready!(self.poll_chunk(cx)) {
            Ok(Some(mut chunk)) => {
                let count = move_bytes(&mut chunk, buffer);
                if !chunk.is_empty() {
                    self.chunk = Some(chunk);
                }
                Poll::Ready(Ok(count))
            }
            Ok(None) => Poll::Ready(Ok(0)),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }

    /// Reads what was received before, or is likely to be there.
    #[inline(never)]
    fn read_now(&mut self, buffer: &mut (impl BufMut + ?Sized)) -> Option<io::Result<usize>> {
        if let Some(chunk) = &mut self.chunk {
            let count = move_bytes(chunk, buffer);
            if chunk.is_empty() {
                self.chunk = None;
            }
            return Some(Ok(count));
        }
        if let Some(failure) = self.failure.take() {
            return Some(Err(failure.into()));
        }
        if self.is_receiving { None } else { self.receive_nowait(buffer) }
    }

    /// Receives into a buffer, unless that would wait or is not allowed now.
    fn receive_nowait(&mut self, buffer: &mut (impl BufMut + ?Sized)) -> Option<io::Result<usize>> {
        let mut buffer = Counted { buffer, count: 0 };
        let room = buffer.chunk_mut().len();
        // A task that has done a lot without waiting lets others have their turn.
        if room < LEAST || !Core::with(Core::charge_immediate) {
            return None;
        }
        let received = self.source.with_now(|stream| stream.receive_nowait(&mut buffer))?;
        let count = buffer.count;
        self.has_more = count >= room;
        match received {
            // What has come is what the buffer was told.
            Ok(_) => Some(Ok(count)),
            Err(Error::WouldBlock | Error::Unsupported(_)) => (count > 0).then_some(Ok(count)),
            Err(error) if count > 0 => {
                self.failure = Some(error);
                Some(Ok(count))
            }
            Err(error) => Some(Err(error.into())),
        }
    }

    /// Receives something; nothing is the end.
    #[inline]
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        loop {
            match self.source.poll_receive(cx) {
                Poll::Pending => {
                    self.is_receiving = true;
                    return Poll::Pending;
                }
                Poll::Ready(Ok(Some(chunk))) => {
                    self.is_receiving = false;
                    self.has_more = chunk.spare_capacity() == 0;
                    if !chunk.is_empty() {
                        return Poll::Ready(Ok(Some(chunk)));
                    }
                }
                Poll::Ready(Err(Error::Unsupported(_))) if self.source.stop_polling() => {}
                Poll::Ready(ended) => {
                    self.is_receiving = false;
                    return Poll::Ready(ended);
                }
            }
        }
    }

    /// What there is to read; nothing at the end.
    pub(super) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        if self.chunk.is_none() {
            if let Some(failure) = self.failure.take() {
                return Poll::Ready(Err(failure.into()));
            }
            self.chunk = ready!(self.poll_chunk(cx))?;
        }
        Poll::Ready(Ok(self.chunk.as_deref().unwrap_or_default()))
    }

    pub(super) fn consumed(&mut self, count: usize) {
        if let Some(chunk) = &mut self.chunk {
            chunk.advance(count);
            if chunk.is_empty() {
                self.chunk = None;
            }
        }
    }
}

/// Moves as many bytes as there is room for.
#[inline]
fn move_bytes(chunk: &mut Chunk, buffer: &mut (impl BufMut + ?Sized)) -> usize {
    let count = chunk.len().min(buffer.remaining_mut());
    buffer.put_slice(&chunk[..count]);
    chunk.advance(count);
    count
}

impl<R: ByteReceiveStream + 'static> AsyncRead for ByteReader<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_read_buf(cx, &mut buffer)
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

/// Those of the stream. Of one that [cannot be polled](ByteReceiveStream::poll_receive) they are not known while a receive is in
/// flight, as after a future that waited for one was dropped.
impl<R: Attributes> Attributes for ByteReader<R> {
    fn provide(&self, request: &mut AttributeRequest<'_>) {
        match (&self.source.polled, &self.source.repeated) {
            (Some(stream), _) => stream.provide(request),
            (None, Some((_, stream))) => stream.provide(request),
            (None, None) => {}
        }
    }
}

impl<R> fmt::Debug for ByteReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteReader")
            .field("receiving", &self.is_receiving)
            .field("buffered", &self.chunk.as_ref().map_or(0, |chunk| chunk.len()))
            .finish_non_exhaustive()
    }
}
