//! A stream out of something to read from.

use super::plausible;
use crate::{
    error::{Error, Result},
    lowlevel::take_chunk,
    runtime::Core,
    scope::foreign,
    streams::{Attributes, ByteReceiveStream},
};
use anyio_driver::{Chunk, Driver, IoBufMut};
use futures_io::AsyncRead;
use std::{future::poll_fn, pin::Pin};

/// Makes a stream of bytes out of something to read from.
///
/// # Cancel safety
/// A cancelled receive has taken no bytes, as long as the reader takes none when its `poll_read` gives `Pending`, as it
/// should.
#[derive(Debug)]
pub struct ReadStream<R> {
    reader: R,
    /// Initialised memory to read into.
    memory: Vec<u8>,
}

impl<R> ReadStream<R> {
    /// Receives from this reader.
    pub fn new(reader: R) -> Self {
        Self { reader, memory: Vec::new() }
    }

    /// The reader.
    pub fn into_inner(self) -> R {
        self.reader
    }
}

impl<R: AsyncRead + Unpin> ReadStream<R> {
    /// Reads into the memory; 0 is the end.
    async fn read(&mut self, max_bytes: usize) -> Result<usize> {
        let size = Core::with(|core| core.driver().pool().buffer_size());
        self.memory.resize(size, 0);
        let memory = &mut self.memory[..max_bytes.min(size)];
        let read = foreign(poll_fn(|cx| Pin::new(&mut self.reader).poll_read(cx, memory))).await?;
        let count = read.and_then(|count| plausible(count, memory.len(), "read"));
        count.map_err(|error| Error::of_stream(error, "read"))
    }
}

impl<R: AsyncRead + Unpin> ByteReceiveStream for ReadStream<R> {
    async fn receive(&mut self) -> Result<Option<Chunk>> {
        self.receive_at_most(usize::MAX).await
    }

    async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
        assert!(max_bytes > 0, "receiving at most 0 bytes");
        let count = self.read(max_bytes).await?;
        if count == 0 {
            return Ok(None);
        }
        let mut chunk = take_chunk();
        chunk.extend_from_slice(&self.memory[..count]).expect("no more than one buffer was read");
        Ok(Some(chunk))
    }

    async fn receive_into<B: IoBufMut>(&mut self, mut buffer: B) -> (Result<usize>, B) {
        let room = buffer.capacity();
        if room == 0 {
            return (Ok(0), buffer);
        }
        let result = self.read(room).await;
        if let Ok(count) = result {
            assert!(count <= room, "no more is read than there is room for");
            buffer.fill_from(&self.memory[..count]);
        }
        (result, buffer)
    }
}

impl<R> Attributes for ReadStream<R> {}
