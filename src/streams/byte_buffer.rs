//! Bytes that were received and not yet asked for.

use crate::lowlevel::take_chunk;
use anyio_driver::{Chunk, IoBufMut};
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes that were received and not yet asked for.
#[derive(Debug, Default)]
pub(crate) struct ByteBuffer {
    bytes: BytesMut,
}

impl ByteBuffer {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }

    /// Takes the first bytes without copying them.
    pub(crate) fn take(&mut self, count: usize) -> Bytes {
        self.bytes.split_to(count).freeze()
    }

    /// Takes as many bytes as are there, fit into a chunk and were asked for.
    pub(crate) fn take_chunk(&mut self, max_bytes: usize) -> Chunk {
        let mut chunk = take_chunk();
        let count = self.bytes.len().min(max_bytes).min(chunk.spare_capacity());
        chunk.extend_from_slice(&self.bytes[..count]).expect("no more than there is room for");
        self.bytes.advance(count);
        chunk
    }

    /// Takes as many bytes as are there and fit into the buffer, from its beginning.
    pub(crate) fn take_into<B: IoBufMut, E>(&mut self, mut buffer: B) -> (Result<usize, E>, B) {
        let count = buffer.fill_from(&self.bytes);
        self.bytes.advance(count);
        (Ok(count), buffer)
    }

    /// Moves as many as there is room for to the end of a buffer, and tells how many.
    pub(crate) fn take_to(&mut self, buffer: &mut (impl BufMut + ?Sized)) -> usize {
        let count = self.bytes.len().min(buffer.remaining_mut());
        buffer.put_slice(&self.bytes[..count]);
        self.bytes.advance(count);
        count
    }
}
