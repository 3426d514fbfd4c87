//! A part of an owned buffer.

use super::{IoBuf, IoBufMut};
use std::ops::{Bound, Deref, RangeBounds};

/// A part of an owned buffer, itself a buffer. Made by [`IoBuf::slice`] and [`IoBufMut::room`].
///
/// The range is applied to the buffer as it is: the clone of a `Vec`, for one, has less room than the original, and so has
/// the clone of a part of it.
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
            Bound::Excluded(&before) => next(before),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => next(last),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => buffer.length(),
        };
        assert!(start <= end, "slice of a buffer begins at {start} but ends at {end}");
        assert!(end <= buffer.length(), "slice of a buffer ends at {end} of {} bytes", buffer.length());
        Self { buffer, start, end }
    }

    /// Where the part begins: never behind the bytes that are initialised.
    #[inline]
    fn begin(&self) -> usize {
        self.start.min(self.buffer.length())
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

fn next(place: usize) -> usize {
    place.checked_add(1).expect("a range of bytes ends within the address space")
}

// SAFETY: the bytes are a part of the inner buffer's, which keeps the contract.
unsafe impl<B: IoBuf> IoBuf for Slice<B> {
    const STABLE: bool = B::STABLE;

    fn pointer(&self) -> *const u8 {
        // SAFETY: the part begins within the inner buffer's bytes, or at their end.
        unsafe { self.buffer.pointer().add(self.begin()) }
    }

    fn length(&self) -> usize {
        self.buffer.length().min(self.end).saturating_sub(self.start)
    }
}

// SAFETY: the room is a part of the inner buffer's, which keeps the contract.
unsafe impl<B: IoBufMut> IoBufMut for Slice<B> {
    fn pointer_mut(&mut self) -> *mut u8 {
        let begin = self.begin();
        // SAFETY: the part begins within the inner buffer's bytes, or at their end.
        unsafe { self.buffer.pointer_mut().add(begin) }
    }

    fn capacity(&self) -> usize {
        self.buffer.capacity().min(self.end).saturating_sub(self.begin())
    }

    unsafe fn set_filled(&mut self, length: usize) {
        let filled = self.begin() + length;
        if filled > self.buffer.length() {
            // SAFETY: what lies before the part's beginning is initialised, and the caller promises the rest.
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
    fn the_clone_of_room_has_no_more_room_than_its_buffer() {
        let mut vector = Vec::with_capacity(4096);
        vector.extend(b"ab");
        let room = vector.room(1, 4000);
        let mut copy = room.clone();
        assert_eq!(copy.inner().capacity(), 2);
        assert_eq!((copy.length(), IoBufMut::capacity(&copy)), (1, 1));
        assert_eq!((&*copy, &*copy.clone().slice(..)), (&b"b"[..], &b"b"[..]));
        // SAFETY: one byte is there already.
        unsafe { copy.set_filled(1) };
        assert_eq!(copy.into_inner(), b"ab");
    }

    #[test]
    fn what_lies_behind_the_end_of_a_buffer_is_an_empty_part_of_it() {
        // As the clone of a buffer that is shorter than the original would have it.
        let mut part = Slice { buffer: b"abc".to_vec(), start: 5, end: 9 };
        assert_eq!((part.length(), part.bytes()), (0, &b""[..]));
        let room = IoBufMut::capacity(&part);
        assert!(room <= part.inner().capacity() - 3);
        // SAFETY: nothing is filled.
        unsafe { part.set_filled(0) };
        assert_eq!(part.into_inner(), b"abc");
    }

    #[test]
    #[should_panic(expected = "within the address space")]
    fn a_range_without_an_end_in_the_address_space_is_refused() {
        b"abc".to_vec().slice(..=usize::MAX);
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
