//! The pool from which receives take their buffers.
//!
//! # Contract
//! All buffers have one size. Those with a number below [`BufferPool::provided`] lie one after the other in one
//! block that lives as long as the pool: a driver may hand them to the kernel by number. The others are
//! allocated one at a time and kept for reuse, the most recently used first, because it is the one still in the
//! processor's cache. A [`Chunk`] owns its buffer: from [`BufferPool::take`] or [`BufferPool::take_provided`]
//! until it is dropped nobody else touches that memory. In a pool for messages a chunk may be split; then each part owns
//! its bytes and no more, and a count in front of the buffer says how many there are. A dropped chunk with a provided buffer puts its number on
//! the list of returned ones, which the driver empties when it next enters the kernel.
//!
//! The pool belongs to one thread; it counts without atomics. It lives until its last chunk is gone, so a chunk
//! may outlive the driver.

mod chunk;

pub use chunk::Chunk;

use std::{
    alloc::{Layout, alloc, alloc_zeroed, dealloc, handle_alloc_error},
    cell::{Cell, RefCell},
    fmt, io,
    ptr::NonNull,
    rc::Rc,
};

/// Buffers begin on a page, so that the kernel may be given them as they are.
const ALIGNMENT: usize = 4096;

/// Those for messages are behind what lies in front of them, so this would be of no use to them; and memory that begins as
/// zeroes is had without touching it only if nothing more is asked of it than this.
const MESSAGE_ALIGNMENT: usize = align_of::<Shares>();

/// How many single buffers are kept for reuse; more than this are freed.
const KEPT: usize = 256;

/// What lies in front of each buffer whose parts may have several owners.
pub(crate) const FRONT: usize = size_of::<Shares>();

/// The size of a buffer for a message with all that belongs to it. Together with what the pool puts in front of each it is
/// a whole number of pages, and no power of two, as the beginnings of buffers would then share few lines of the cache.
pub(crate) const MESSAGE_BUFFER_SIZE: usize = 17 * 4096 - FRONT;

/// How many chunks own parts of a buffer.
#[repr(C, align(16))]
struct Shares {
    count: Cell<u32>,
    /// One more than the buffer's number if it is a provided one, which it never changes; else 0. It is asked for each
    /// message, and to compute it takes a division.
    place: Cell<u32>,
    /// Whether there ever were several. It stays so until the buffer goes back, so that a chunk's room does not change
    /// when another goes.
    split: Cell<bool>,
}

/// A pool of equal buffers, for one thread. Cloning it gives another handle to the same pool.
#[derive(Clone)]
pub struct BufferPool(Rc<Inner>);

struct Inner {
    size: usize,
    /// The space in front of each buffer: none, or that of `Shares`.
    front: usize,
    provided: u16,
    block: Option<NonNull<u8>>,
    free: RefCell<Vec<NonNull<u8>>>,
    returned: RefCell<Vec<u16>>,
    in_use: Cell<usize>,
}

/// How a pool stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolStatistics {
    /// Buffers in the hands of operations and chunks, without those that wait in the kernel to be chosen.
    pub in_use: usize,
    /// Single buffers kept for reuse.
    pub free: usize,
    /// The size of each buffer in bytes.
    pub buffer_size: usize,
}

impl BufferPool {
    /// The size of the largest buffers that a pool can have, in bytes: what the kernel receives at a time.
    pub const LARGEST: usize = 0x7fff_f000;

    /// A pool of buffers of `size` bytes, without any yet.
    ///
    /// # Panics
    /// If `size` is 0 or more than [`LARGEST`](Self::LARGEST).
    pub fn new(size: usize) -> Self {
        assert!(Self::is_possible(size), "a buffer of {size} bytes is not possible");
        Self::with_block(size, 0, 0, None)
    }

    /// A pool of buffers of `size` bytes, `provided` of which lie in one block and have the numbers from 0 on. There is
    /// memory for one buffer more.
    ///
    /// # Errors
    /// `InvalidInput` if `size` is 0 or more than [`LARGEST`](Self::LARGEST); `OutOfMemory` if there is no such block
    /// or buffer to be had.
    pub fn try_new(size: usize, provided: u16) -> io::Result<Self> {
        if !Self::is_possible(size) {
            let text = format!("a receive buffer has between 1 and {} bytes, not {size}", Self::LARGEST);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        Self::try_with_front(size, 0, provided)
    }

    /// A pool for messages, without any buffers yet: they will have room for the longest one and all that belongs to it,
    /// begin as zeroes, and the parts of one may have several owners ([`Chunk::split_to`]).
    pub fn for_messages() -> Self {
        Self::with_block(MESSAGE_BUFFER_SIZE, FRONT, 0, None)
    }

    /// A pool for messages, so many of whose buffers lie in one block.
    ///
    /// # Errors
    /// `OutOfMemory` if there is no such block to be had.
    pub fn try_for_messages(provided: u16) -> io::Result<Self> {
        Self::try_with_front(MESSAGE_BUFFER_SIZE, FRONT, provided)
    }

    fn try_with_front(size: usize, front: usize, provided: u16) -> io::Result<Self> {
        let no_memory = |count: u16| {
            let text = format!("there is no memory for {count} receive buffers of {size} bytes");
            move || io::Error::new(io::ErrorKind::OutOfMemory, text)
        };
        let stride = size + front;
        let block = match provided {
            0 => None,
            count => {
                let size = stride.saturating_mul(count.into());
                let layout = Layout::from_size_align(size, Self::alignment(front)).ok();
                let block = layout.and_then(|layout| try_allocate(layout, front > 0));
                Some(block.ok_or_else(no_memory(count))?)
            }
        };
        let pool = Self::with_block(size, front, provided, block);
        let single = pool.0.try_allocate_one().ok_or_else(no_memory(1))?;
        pool.0.free.borrow_mut().push(single);
        Ok(pool)
    }

    fn is_possible(size: usize) -> bool {
        (1..=Self::LARGEST).contains(&size)
    }

    fn with_block(size: usize, front: usize, provided: u16, block: Option<NonNull<u8>>) -> Self {
        Self(Rc::new(Inner {
            size,
            front,
            provided,
            block,
            free: RefCell::new(Vec::new()),
            returned: RefCell::new(Vec::with_capacity(provided.into())),
            in_use: Cell::new(0),
        }))
    }

    fn alignment(front: usize) -> usize {
        if front > 0 { MESSAGE_ALIGNMENT } else { ALIGNMENT }
    }

    /// The size of each buffer in bytes.
    pub fn buffer_size(&self) -> usize {
        self.0.size
    }

    /// How many buffers lie in the block that can be given to the kernel by number.
    pub fn provided(&self) -> u16 {
        self.0.provided
    }

    /// An empty chunk with a single buffer, the most recently used one if there is any.
    #[inline]
    pub fn take(&self) -> Chunk {
        let buffer = self.0.free.borrow_mut().pop().unwrap_or_else(|| self.0.allocate_one());
        self.begin_use(buffer);
        Chunk::new(self.clone(), buffer, 0)
    }

    /// Where the provided buffer of this number lies.
    ///
    /// # Panics
    /// If there is no such buffer.
    pub fn provided_pointer(&self, number: u16) -> NonNull<u8> {
        let block = self.0.block.filter(|_| number < self.0.provided).expect("number of a provided buffer");
        // SAFETY: the block has `provided` times so many bytes and the number is below `provided`.
        unsafe { block.add(usize::from(number) * self.0.stride() + self.0.front) }
    }

    /// A chunk that owns the provided buffer of this number, with its first `length` bytes as contents.
    ///
    /// # Safety
    /// The kernel has given that buffer back, no other chunk owns it, and its first `length` bytes are filled.
    ///
    /// # Panics
    /// If there is no such buffer or `length` is more than its size.
    #[inline]
    pub unsafe fn take_provided(&self, number: u16, length: usize) -> Chunk {
        assert!(length <= self.0.size, "a buffer of {} bytes does not hold {length}", self.0.size);
        let buffer = self.provided_pointer(number);
        self.begin_use(buffer);
        if let Some(shares) = self.shares(buffer) {
            shares.place.set(u32::from(number) + 1);
        }
        Chunk::new(self.clone(), buffer, length as u32)
    }

    /// Gives the numbers of all provided buffers whose chunks were dropped since the last call to `give`, the
    /// most recently used last. From then on those buffers are the driver's.
    #[inline]
    pub fn collect_returned(&self, mut give: impl FnMut(u16)) {
        for number in self.0.returned.borrow_mut().drain(..) {
            give(number);
        }
    }

    /// How the pool stands.
    pub fn statistics(&self) -> PoolStatistics {
        PoolStatistics {
            in_use: self.0.in_use.get(),
            free: self.0.free.borrow().len(),
            buffer_size: self.0.size,
        }
    }

    /// The number of a provided buffer that is or was in use.
    #[inline]
    fn number_of(&self, buffer: NonNull<u8>) -> Option<u16> {
        if let Some(shares) = self.shares(buffer) {
            return shares.place.get().checked_sub(1).map(|number| number as u16);
        }
        let offset = buffer.addr().get().checked_sub(self.0.block?.addr().get())?;
        let number = offset / self.0.stride();
        (number < usize::from(self.0.provided)).then_some(number as u16)
    }

    /// Notes that a buffer has one owner now.
    #[inline]
    fn begin_use(&self, buffer: NonNull<u8>) {
        self.0.in_use.set(self.0.in_use.get() + 1);
        if let Some(shares) = self.shares(buffer) {
            shares.count.set(1);
            shares.split.set(false);
        }
    }

    /// How many own parts of a buffer, where several may.
    #[inline]
    fn shares(&self, buffer: NonNull<u8>) -> Option<&Shares> {
        // SAFETY: in front of each buffer of such a pool lies this, aligned, zeroed at first, and changed only through
        // cells on the pool's thread. It lives as long as the buffer, which the pool owns.
        (self.0.front > 0).then(|| unsafe { buffer.sub(FRONT).cast::<Shares>().as_ref() })
    }

    /// Whether chunks of this pool can be split without a copy.
    #[inline]
    fn can_share(&self) -> bool {
        self.0.front > 0
    }

    /// Notes another owner of a part of a buffer.
    fn share(&self, buffer: NonNull<u8>) {
        if let Some(shares) = self.shares(buffer) {
            // Whoever forgets its part owns it for ever.
            let count = shares.count.get().checked_add(1).expect("a buffer has too many owners");
            shares.count.set(count);
            shares.split.set(true);
        }
    }

    /// Whether several chunks own, or have owned, parts of this buffer.
    #[inline]
    fn is_split(&self, buffer: NonNull<u8>) -> bool {
        self.shares(buffer).is_some_and(|shares| shares.split.get())
    }

    #[inline]
    fn give_back(&self, buffer: NonNull<u8>) {
        if let Some(shares) = self.shares(buffer) {
            let left = shares.count.get() - 1;
            shares.count.set(left);
            if left > 0 {
                return;
            }
        }
        self.0.in_use.set(self.0.in_use.get() - 1);
        if let Some(number) = self.number_of(buffer) {
            return self.0.returned.borrow_mut().push(number);
        }
        let mut free = self.0.free.borrow_mut();
        if free.len() < KEPT {
            free.push(buffer);
        } else {
            // SAFETY: a single buffer whose chunks are gone.
            unsafe { self.0.free_one(buffer) };
        }
    }
}

impl Inner {
    fn stride(&self) -> usize {
        self.size + self.front
    }

    /// Of so many buffers in one piece.
    fn layout(&self, count: usize) -> Layout {
        // It is one buffer, or a block that was allocated.
        Layout::from_size_align(self.stride() * count, BufferPool::alignment(self.front))
            .expect("buffers do not fill the address space")
    }

    fn allocate_one(&self) -> NonNull<u8> {
        self.try_allocate_one().unwrap_or_else(|| handle_alloc_error(self.layout(1)))
    }

    fn try_allocate_one(&self) -> Option<NonNull<u8>> {
        let memory = try_allocate(self.layout(1), self.front > 0)?;
        // SAFETY: so much was allocated in front of the buffer.
        Some(unsafe { memory.add(self.front) })
    }

    /// # Safety
    /// The buffer came out of `allocate_one` and has no owner.
    unsafe fn free_one(&self, buffer: NonNull<u8>) {
        // SAFETY: it was allocated with this layout, and so much in front of it.
        unsafe { dealloc(buffer.sub(self.front).as_ptr(), self.layout(1)) };
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for buffer in std::mem::take(self.free.get_mut()) {
            // SAFETY: the list has single buffers, none of which has an owner.
            unsafe { self.free_one(buffer) };
        }
        if let Some(block) = self.block {
            // SAFETY: the block was allocated with this layout; all chunks hold the pool, so none is left.
            unsafe { dealloc(block.as_ptr(), self.layout(self.provided.into())) };
        }
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BufferPool").field(&self.statistics()).finish()
    }
}

fn try_allocate(layout: Layout, zeroed: bool) -> Option<NonNull<u8>> {
    // SAFETY: no layout here is empty: sizes are checked when the pool is made.
    NonNull::new(unsafe { if zeroed { alloc_zeroed(layout) } else { alloc(layout) } })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IoBufMut;

    #[test]
    fn the_most_recently_dropped_buffer_is_taken_first() {
        let pool = BufferPool::new(64);
        let (first, second) = (pool.take(), pool.take());
        let second_pointer = second.as_ptr();
        drop(first);
        drop(second);
        assert_eq!(pool.take().as_ptr(), second_pointer);
        assert_eq!(pool.statistics(), PoolStatistics { in_use: 0, free: 2, buffer_size: 64 });
    }

    #[test]
    fn sizes_that_are_not_possible_are_refused() {
        for (size, provided, kind) in [
            (0, 0, io::ErrorKind::InvalidInput),
            (BufferPool::LARGEST + 1, 0, io::ErrorKind::InvalidInput),
            (usize::MAX, 2, io::ErrorKind::InvalidInput),
            (BufferPool::LARGEST, u16::MAX, io::ErrorKind::OutOfMemory),
        ] {
            assert_eq!(BufferPool::try_new(size, provided).unwrap_err().kind(), kind, "{size} × {provided}");
        }
    }

    #[test]
    fn a_provided_buffer_goes_back_by_number() {
        let pool = BufferPool::try_new(64, 4).unwrap();
        // SAFETY: nobody else has buffer 3, and no byte of it counts as filled.
        let chunk = unsafe { pool.take_provided(3, 0) };
        assert_eq!(chunk.as_ptr(), pool.provided_pointer(3).as_ptr().cast_const());
        let mut returned = Vec::new();
        pool.collect_returned(|number| returned.push(number));
        assert!(returned.is_empty());
        drop(chunk);
        pool.collect_returned(|number| returned.push(number));
        assert_eq!(returned, [3]);
    }

    #[test]
    fn a_chunk_outlives_every_other_handle_to_its_pool() {
        let pool = BufferPool::try_new(64, 1).unwrap();
        let mut chunk = pool.take();
        drop(pool);
        chunk.extend_from_slice(b"still here").unwrap();
        assert_eq!(&*chunk, b"still here");
    }

    #[test]
    fn parts_of_a_message_have_owners_of_their_own_and_no_room() {
        let pool = BufferPool::for_messages();
        let mut rest = pool.take();
        assert!(rest.capacity() > crate::LONGEST_MESSAGE);
        rest.extend_from_slice(b"onetwothree").unwrap();
        let one = rest.split_to(3);
        let mut two = rest.split_to(3);
        two[0] = b'T';
        assert_eq!((&*one, &*two, &*rest), (&b"one"[..], &b"Two"[..], &b"three"[..]));
        assert_eq!(rest.as_ptr(), one.as_ptr().wrapping_add(6), "nothing was copied");
        assert_eq!((two.capacity(), two.spare_capacity(), rest.capacity()), (3, 0, 5));
        assert_eq!(two.extend_from_slice(b"x"), Err(&b"x"[..]));
        assert_eq!(pool.statistics(), PoolStatistics { in_use: 1, free: 0, buffer_size: pool.buffer_size() });
        drop(one);
        drop(rest);
        assert_eq!((two.capacity(), pool.statistics().in_use), (3, 1), "others that go leave no room behind");
        drop(two);
        assert_eq!(pool.statistics(), PoolStatistics { in_use: 0, free: 1, buffer_size: pool.buffer_size() });
        assert!(pool.take().capacity() > crate::LONGEST_MESSAGE);
    }

    #[test]
    fn a_buffer_with_as_many_owners_as_can_be_counted_gets_no_more() {
        let pool = BufferPool::for_messages();
        let mut chunk = pool.take();
        chunk.extend_from_slice(b"bytes").unwrap();
        // As if so many parts had been forgotten.
        pool.shares(chunk.buffer()).unwrap().count.set(u32::MAX);
        let split = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(chunk.split_to(0))));
        assert!(split.is_err());
        assert_eq!(chunk, b"bytes");
        pool.shares(chunk.buffer()).unwrap().count.set(1);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_of_messages_is_used_only_when_they_are() {
        const PAGE: usize = 4096;
        let pool = BufferPool::try_for_messages(1024).unwrap();
        let resident = || {
            let start = pool.provided_pointer(0).as_ptr().map_addr(|address| (address / PAGE + 1) * PAGE);
            let pages = 1024 * (MESSAGE_BUFFER_SIZE + FRONT) / PAGE - 1;
            let mut told = vec![0_u8; pages];
            // SAFETY: these pages are the pool's block, and there is a byte for each.
            assert_eq!(unsafe { libc::mincore(start.cast(), pages * PAGE, told.as_mut_ptr()) }, 0);
            (told.iter().filter(|&&told| told & 1 == 1).count(), pages)
        };
        let (before, pages) = resident();
        assert!(before < pages / 10, "{before} of {pages} pages are in memory");
        // SAFETY: nobody else has the buffer, and its memory is zeroes.
        let chunk = unsafe { pool.take_provided(900, 5) };
        assert_eq!(chunk, &[0; 5]);
        assert!(resident().0 > 0);
    }

    #[test]
    fn provided_buffers_of_messages_go_back_when_their_last_part_goes() {
        let pool = BufferPool::try_for_messages(2).unwrap();
        // SAFETY: nobody else has buffer 1, and its memory is zeroed.
        let mut rest = unsafe { pool.take_provided(1, 9) };
        let first = rest.split_to(4);
        drop(rest);
        let mut returned = Vec::new();
        pool.collect_returned(|number| returned.push(number));
        assert!(returned.is_empty());
        drop(first);
        pool.collect_returned(|number| returned.push(number));
        assert_eq!(returned, [1]);
    }

    #[test]
    fn buffers_beyond_the_number_kept_are_freed() {
        let pool = BufferPool::new(64);
        drop((0..KEPT + 10).map(|_| pool.take()).collect::<Vec<_>>());
        assert_eq!(pool.statistics().free, KEPT);
    }
}
