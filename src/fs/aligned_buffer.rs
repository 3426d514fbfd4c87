//! Buffers for direct access to files.
//!
//! # Contract
//! A buffer owns its allocation, made with the layout it keeps, all of it initialised from the beginning on, and frees it
//! with that layout. The bytes lie outside of the value, so they stay where they are when it moves.

use anyio_driver::{IoBuf, IoBufMut};
use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    fmt,
    ops::{Deref, DerefMut},
    ptr::NonNull,
    slice,
};

/// A buffer whose address and capacity are multiples of a power of two, as direct access
/// ([`OpenOptions::direct`](super::OpenOptions::direct)) demands. It derefs to the bytes that have been filled.
///
/// ```
/// use anyio::{IoBufMut, fs::AlignedBuffer};
///
/// let mut buffer = AlignedBuffer::new(8192);
/// assert_eq!((buffer.len(), buffer.capacity()), (0, 8192));
/// buffer.extend_from_slice(b"block").unwrap();
/// assert_eq!(&buffer[..], b"block");
/// assert_eq!(buffer.as_ptr() as usize % AlignedBuffer::ALIGNMENT, 0);
/// ```
pub struct AlignedBuffer {
    bytes: NonNull<u8>,
    layout: Layout,
    length: usize,
}

impl AlignedBuffer {
    /// The alignment that suffices for all usual devices: 4096 bytes.
    pub const ALIGNMENT: usize = 4096;

    /// An empty buffer with room for at least `capacity` bytes, rounded up to a multiple of
    /// [`ALIGNMENT`](Self::ALIGNMENT).
    pub fn new(capacity: usize) -> Self {
        Self::with_alignment(capacity, Self::ALIGNMENT)
    }

    /// An empty buffer with room for at least `capacity` bytes, rounded up to a multiple of `alignment` bytes.
    ///
    /// # Panics
    /// If the alignment is no power of two, or the capacity is beyond what can be allocated.
    pub fn with_alignment(capacity: usize, alignment: usize) -> Self {
        let layout = Layout::from_size_align(capacity.max(1), alignment)
            .expect("an alignment is a power of two, and a capacity fits into the address space")
            .pad_to_align();
        // SAFETY: the layout's size is not 0.
        let bytes = unsafe { alloc_zeroed(layout) };
        let Some(bytes) = NonNull::new(bytes) else { handle_alloc_error(layout) };
        Self { bytes, layout, length: 0 }
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// Gives back the bytes for which there is no room.
    pub fn extend_from_slice<'a>(&mut self, bytes: &'a [u8]) -> Result<(), &'a [u8]> {
        let (fits, rest) = bytes.split_at(bytes.len().min(self.capacity() - self.length));
        // SAFETY: there is room for these bytes behind those that are there.
        unsafe { self.bytes.add(self.length).as_ptr().copy_from_nonoverlapping(fits.as_ptr(), fits.len()) };
        self.length += fits.len();
        if rest.is_empty() { Ok(()) } else { Err(rest) }
    }

    /// Makes the buffer this long: cuts it off, or adds what the room contains, at first zeroes.
    ///
    /// # Panics
    /// If `length` is beyond the capacity.
    pub fn resize(&mut self, length: usize) {
        assert!(length <= self.capacity(), "{length} bytes in a buffer of {}", self.capacity());
        self.length = length;
    }

    /// Forgets the bytes.
    pub fn clear(&mut self) {
        self.length = 0;
    }
}

impl Drop for AlignedBuffer {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout, and nobody uses it any more.
        unsafe { dealloc(self.bytes.as_ptr(), self.layout) };
    }
}

// SAFETY: the buffer owns its bytes, as a vector does.
unsafe impl Send for AlignedBuffer {}
// SAFETY: shared access only reads.
unsafe impl Sync for AlignedBuffer {}

impl Deref for AlignedBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the bytes are initialised and the buffer's own.
        unsafe { slice::from_raw_parts(self.bytes.as_ptr(), self.length) }
    }
}

impl DerefMut for AlignedBuffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and borrowed exclusively.
        unsafe { slice::from_raw_parts_mut(self.bytes.as_ptr(), self.length) }
    }
}

// SAFETY: the bytes lie outside of the value and nobody writes to them while it is not used.
unsafe impl IoBuf for AlignedBuffer {
    fn pointer(&self) -> *const u8 {
        self.bytes.as_ptr()
    }

    fn length(&self) -> usize {
        self.length
    }
}

// SAFETY: the room is the buffer's own, and does not change.
unsafe impl IoBufMut for AlignedBuffer {
    fn pointer_mut(&mut self) -> *mut u8 {
        self.bytes.as_ptr()
    }

    fn capacity(&self) -> usize {
        self.layout.size()
    }

    unsafe fn set_filled(&mut self, length: usize) {
        debug_assert!(length <= self.layout.size());
        self.length = length;
    }
}

impl fmt::Debug for AlignedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AlignedBuffer")
            .field("length", &self.length)
            .field("capacity", &self.layout.size())
            .field("alignment", &self.layout.align())
            .finish()
    }
}
