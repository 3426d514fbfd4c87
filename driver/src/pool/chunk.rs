//! Bytes in a pool buffer.

use super::BufferPool;
use crate::{IoBuf, IoBufMut};
use bytes::Bytes;
use std::{
    fmt,
    ops::{Deref, DerefMut},
    ptr::NonNull,
};

/// Bytes that were received, in a buffer of the runtime's pool.
///
/// It derefs to `[u8]` and can be sent on without a copy. Dropping it gives the buffer back. Chunks are meant to
/// be used and dropped soon: whoever keeps bytes for long copies them out ([`Chunk::to_bytes`], `to_vec`), since
/// a chunk of one byte holds a whole buffer (16 KiB by default).
///
/// A chunk stays on its thread.
pub struct Chunk {
    pool: BufferPool,
    buffer: NonNull<u8>,
    part: Part,
}

/// Where its bytes begin, and above that where they end. One word, as what was written in two parts and is read as a whole
/// right afterwards, when the chunk is moved, stalls the processor.
#[derive(Clone, Copy)]
struct Part(u64);

impl Part {
    #[inline]
    fn new(start: u32, end: u32) -> Self {
        Self(u64::from(start) | u64::from(end) << 32)
    }

    #[inline]
    fn start(self) -> usize {
        self.0 as u32 as usize
    }

    #[inline]
    fn end(self) -> usize {
        (self.0 >> 32) as usize
    }
}

// Chunks are moved often: into and out of results, futures and buffers in flight. Two pointers and a number's space are
// moved in words; an odd field in it would make the compiler copy results around it in pieces, which stalls.
const _: () = assert!(size_of::<Chunk>() == 24 && size_of::<Option<Chunk>>() == 24);

impl Chunk {
    #[inline]
    pub(super) fn new(pool: BufferPool, buffer: NonNull<u8>, length: u32) -> Self {
        Self { pool, buffer, part: Part::new(0, length) }
    }

    /// Keeps the first `length` bytes and forgets the rest; does nothing if there are not more.
    #[inline]
    pub fn truncate(&mut self, length: usize) {
        if length < self.len() {
            self.set_part(self.part.start(), self.part.start() + length);
        }
    }

    /// Forgets the first `count` bytes.
    ///
    /// # Panics
    /// If there are fewer than `count` bytes.
    #[inline]
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.len(), "cannot advance {count} bytes in a chunk of {}", self.len());
        self.set_part(self.part.start() + count, self.part.end());
    }

    /// Both are within the buffer, whose size is below 2³¹.
    #[inline]
    fn set_part(&mut self, start: usize, end: usize) {
        self.part = Part::new(start as u32, end as u32);
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// Gives back the bytes that did not fit: those beyond [`Chunk::spare_capacity`].
    pub fn extend_from_slice<'a>(&mut self, bytes: &'a [u8]) -> Result<(), &'a [u8]> {
        let count = bytes.len().min(self.spare_capacity());
        let end = self.part.end();
        // SAFETY: there is room for `count` bytes after `end`, and the chunk owns the whole buffer.
        unsafe { self.buffer.add(end).as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), count) };
        self.set_part(self.part.start(), end + count);
        if count == bytes.len() { Ok(()) } else { Err(&bytes[count..]) }
    }

    /// How many more bytes can be appended.
    #[inline]
    pub fn spare_capacity(&self) -> usize {
        self.limit() - self.part.end()
    }

    /// Splits off the first `count` bytes as a chunk of their own. Of a datagram nothing is copied: both chunks own their
    /// bytes, without room to append any, and the buffer goes back when both are gone. Of other chunks the bytes are copied
    /// into another buffer.
    ///
    /// # Panics
    /// If there are fewer than `count` bytes, or if 2³² chunks would own bytes of one buffer.
    #[must_use = "the bytes are gone from this chunk"]
    pub fn split_to(&mut self, count: usize) -> Self {
        assert!(count <= self.len(), "cannot split {count} bytes off a chunk of {}", self.len());
        let first = if self.pool.can_share() {
            self.pool.share(self.buffer);
            let start = self.part.start() as u32;
            let part = Part::new(start, start + count as u32);
            Self { pool: self.pool.clone(), buffer: self.buffer, part }
        } else {
            let mut first = self.pool.take();
            // There is room: buffers have one size.
            let _ = first.extend_from_slice(&self[..count]);
            first
        };
        self.advance(count);
        first
    }

    #[cfg(test)]
    pub(super) fn buffer(&self) -> NonNull<u8> {
        self.buffer
    }

    /// Where the chunk's own memory ends.
    #[inline]
    fn limit(&self) -> usize {
        if self.pool.is_split(self.buffer) { self.part.end() } else { self.pool.buffer_size() }
    }

    /// A copy of the bytes that keeps no pool buffer and may go to other threads.
    pub fn to_bytes(&self) -> Bytes {
        Bytes::copy_from_slice(self)
    }
}

impl Drop for Chunk {
    #[inline]
    fn drop(&mut self) {
        self.pool.give_back(self.buffer);
    }
}

impl Deref for Chunk {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes()
    }
}

impl DerefMut for Chunk {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: the chunk owns its buffer, and the bytes of its part are initialised.
        unsafe { std::slice::from_raw_parts_mut(self.buffer.add(self.part.start()).as_ptr(), self.len()) }
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

// SAFETY: the bytes lie in a pool buffer that only this chunk reaches, and it does not move with the chunk.
unsafe impl IoBuf for Chunk {
    #[inline]
    fn pointer(&self) -> *const u8 {
        // SAFETY: the part's start is at most the buffer's size.
        unsafe { self.buffer.add(self.part.start()).as_ptr() }
    }

    #[inline]
    fn length(&self) -> usize {
        self.part.end() - self.part.start()
    }
}

// SAFETY: the room from `start` to the limit is the chunk's own; it changes only when the chunk is split, which uses it.
unsafe impl IoBufMut for Chunk {
    #[inline]
    fn pointer_mut(&mut self) -> *mut u8 {
        self.pointer().cast_mut()
    }

    #[inline]
    fn capacity(&self) -> usize {
        self.limit() - self.part.start()
    }

    #[inline]
    unsafe fn set_filled(&mut self, length: usize) {
        debug_assert!(length <= self.capacity());
        self.set_part(self.part.start(), self.part.start() + length);
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Chunk {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl Eq for Chunk {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_appended_advanced_over_and_truncated() {
        let mut chunk = BufferPool::new(8).take();
        assert_eq!(chunk.extend_from_slice(b"0123456789"), Err(&b"89"[..]));
        chunk.advance(2);
        chunk.truncate(3);
        assert_eq!(chunk, b"234");
        assert_eq!(chunk.spare_capacity(), 3);
        chunk[0] = b'x';
        assert_eq!(chunk.to_bytes(), &b"x34"[..]);
    }

    #[test]
    #[should_panic(expected = "cannot advance 1 bytes in a chunk of 0")]
    fn advancing_beyond_the_end_is_refused() {
        BufferPool::new(8).take().advance(1);
    }
}
