//! A part of an owned buffer.

use super::{IoBuf, IoBufMut};
use std::ops::{Bound, Deref, RangeBounds};

/// A part of an owned buffer, itself a buffer. Made by [`IoBuf::slice`] and [`IoBufMut::room`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice<B> {
    buffer: B,
    start: usize,
    end: usize,
}

impl<B: IoBuf> Slice<B> {
    pub(super) fn of_bytes(buffer: B, range: impl RangeBounds<usize>) -> Self {
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&before) => before + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last + 1,
            Bound::Excluded(&end) => end,
            Bound::Unbounded => buffer.length(),
        };
        assert!(start <= end, "slice of a buffer begins at {start} but ends at {end}");
        assert!(end <= buffer.length(), "slice of a buffer ends at {end} of {} bytes", buffer.length());
        Self { buffer, start, end }
    }

    /// The whole buffer this is a part of.
    pub fn into_inner(self) -> B {
        self.buffer
    }

    /// The whole buffer this is a part of.
    pub fn inner(&self) -> &B {
        &self.buffer
    }
}

impl<B: IoBufMut> Slice<B> {
    pub(super) fn of_room(buffer: B, start: usize, length: usize) -> Self {
        assert!(start <= buffer.length(), "room at {start} leaves a gap after {} bytes", buffer.length());
        let room = buffer.capacity() - start;
        assert!(length <= room, "{length} bytes at {start} do not fit into {} bytes", buffer.capacity());
        Self { buffer, start, end: start + length }
    }
}

// SAFETY: the bytes are a part of the inner buffer's, which keeps the contract.
unsafe impl<B: IoBuf> IoBuf for Slice<B> {
    const STABLE: bool = B::STABLE;

    fn pointer(&self) -> *const u8 {
        // SAFETY: `start` is at most the inner capacity, checked when the slice was made.
        unsafe { self.buffer.pointer().add(self.start) }
    }

    fn length(&self) -> usize {
        self.buffer.length().min(self.end) - self.start
    }
}

// SAFETY: the room is a part of the inner buffer's, which keeps the contract.
unsafe impl<B: IoBufMut> IoBufMut for Slice<B> {
    fn pointer_mut(&mut self) -> *mut u8 {
        // SAFETY: `start` is at most the inner capacity, checked when the slice was made.
        unsafe { self.buffer.pointer_mut().add(self.start) }
    }

    fn capacity(&self) -> usize {
        self.end - self.start
    }

    unsafe fn set_filled(&mut self, length: usize) {
        let filled = self.start + length;
        if filled > self.buffer.length() {
            // SAFETY: what lies before `start` was initialised when the slice was made, and the caller promises
            // the rest.
            unsafe { self.buffer.set_filled(filled) };
        }
    }
}

impl<B: IoBuf> Deref for Slice<B> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_shows_its_part_and_gives_the_whole_back() {
        let slice = b"0123456789".to_vec().slice(2..=4);
        assert_eq!(&*slice, b"234");
        assert_eq!(slice.into_inner(), b"0123456789");
    }

    #[test]
    fn a_slice_of_a_slice_counts_from_its_own_start() {
        assert_eq!(&*b"0123456789".to_vec().slice(2..8).slice(1..3), b"34");
    }

    #[test]
    fn filling_room_extends_the_vector_without_losing_its_head() {
        let mut vector = Vec::with_capacity(8);
        vector.extend(b"ab");
        let mut room = vector.room(2, 4);
        assert_eq!((room.length(), room.capacity()), (0, 4));
        // SAFETY: the pointer leads to four bytes of room, of which three are written before they count.
        unsafe {
            room.pointer_mut().copy_from_nonoverlapping(b"cde".as_ptr(), 3);
            room.set_filled(3);
        }
        assert_eq!(&*room, b"cde");
        assert_eq!(room.into_inner(), b"abcde");
    }

    #[test]
    #[should_panic(expected = "ends at 11 of 10 bytes")]
    fn a_slice_beyond_the_bytes_is_refused() {
        b"0123456789".to_vec().slice(..11);
    }

    #[test]
    #[should_panic(expected = "leaves a gap")]
    fn room_after_a_gap_is_refused() {
        Vec::with_capacity(8).room(1, 2);
    }
}
