//! Memory that belongs to an operation while the kernel uses it.
//!
//! # Contract
//! The kernel reads or writes a buffer at any moment between submission and final completion, whatever becomes
//! of the future that asked. So a buffer is owned by the operation, and its bytes must stay where they are and
//! unshared (for writing) until it is given back. [`IoBuf`] and [`IoBufMut`] state what an owner must promise;
//! [`Held`] makes values whose bytes lie inside themselves (arrays) keep the promise by boxing them.

mod held;
mod implementations;
mod slice;

pub use held::Held;
pub use slice::Slice;

/// An owner of bytes that the kernel may read.
///
/// Implemented for `Vec<u8>`, `String`, `Box<[u8]>`, `Rc<[u8]>`, `Arc<[u8]>`, `&'static [u8]`, `&'static str`,
/// arrays, boxed arrays, `bytes::Bytes`, `bytes::BytesMut`, [`Chunk`](crate::Chunk), and parts of these
/// ([`IoBuf::slice`]).
///
/// # Safety
/// As long as the value is neither changed nor dropped, `pointer()` and `length()` return the same values, and
/// that memory is initialised and not written to. If [`STABLE`](IoBuf::STABLE) is true this also holds when the
/// value itself is moved.
pub unsafe trait IoBuf: 'static {
    /// Whether the bytes stay where they are when the value is moved.
    const STABLE: bool = true;

    /// Where the bytes are.
    fn pointer(&self) -> *const u8;

    /// How many there are.
    fn length(&self) -> usize;

    /// The bytes.
    fn bytes(&self) -> &[u8] {
        // SAFETY: the trait's contract: this memory is initialised and nobody writes to it while borrowed.
        unsafe { std::slice::from_raw_parts(self.pointer(), self.length()) }
    }

    /// A part of this buffer, itself a buffer. [`Slice::into_inner`] gives the whole back.
    ///
    /// # Panics
    /// If the range begins after its end, or does not lie within the buffer's bytes. (A [`Slice`] of room that
    /// is yet to be filled is made by [`IoBufMut::room`].)
    fn slice(self, range: impl std::ops::RangeBounds<usize>) -> Slice<Self>
    where
        Self: Sized,
    {
        Slice::of_bytes(self, range)
    }
}

/// An owner of memory that the kernel may fill, from its beginning.
///
/// # Safety
/// In addition to what [`IoBuf`] asks for: `pointer_mut()` equals `pointer()`, the memory is `capacity()` bytes
/// long and nobody else reads or writes it, and neither value changes as long as the owner is not used. With
/// [`STABLE`](IoBuf::STABLE) this too holds when the value is moved.
pub unsafe trait IoBufMut: IoBuf {
    /// Where the room begins.
    fn pointer_mut(&mut self) -> *mut u8;

    /// How many bytes there is room for, those already there included.
    fn capacity(&self) -> usize;

    /// Tells the owner that its first `length` bytes have been filled. What kinds of owner do with it differs:
    /// a `Vec` has that length afterwards, an array keeps its own.
    ///
    /// # Safety
    /// The first `length` bytes are initialised and `length` is at most `capacity()`.
    unsafe fn set_filled(&mut self, length: usize);

    /// Copies bytes to the beginning, as many as there is room for, and tells how many those are. They are what the buffer is
    /// filled with afterwards.
    fn fill_from(&mut self, bytes: &[u8]) -> usize {
        let count = bytes.len().min(self.capacity());
        // SAFETY: there is room for `count` bytes, in memory that nobody else uses, so it does not overlap with those that
        // are borrowed here.
        unsafe {
            self.pointer_mut().copy_from_nonoverlapping(bytes.as_ptr(), count);
            self.set_filled(count);
        }
        count
    }

    /// The part of this buffer's room, initialised or not, from `start` on for at most `length` bytes, as a
    /// buffer to be filled.
    ///
    /// # Panics
    /// If `start` lies beyond the bytes that are initialised (a gap would be left), or `start + length` beyond
    /// the capacity.
    fn room(self, start: usize, length: usize) -> Slice<Self>
    where
        Self: Sized,
    {
        Slice::of_room(self, start, length)
    }
}
