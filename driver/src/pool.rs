//! The pool from which receives take their buffers.
//!
//! # Contract
//! All buffers have one size. Those with a number below [`BufferPool::provided`] lie one after the other in one
//! block that lives as long as the pool: a driver may hand them to the kernel by number. The others are
//! allocated one at a time and kept for reuse, the most recently used first, because it is the one still in the
//! processor's cache. A [`Chunk`] owns its buffer: from [`BufferPool::take`] or [`BufferPool::take_provided`]
//! until it is dropped nobody else touches that memory. A dropped chunk with a provided buffer puts its number on
//! the list of returned ones, which the driver empties when it next enters the kernel.
//!
//! The pool belongs to one thread; it counts without atomics. It lives until its last chunk is gone, so a chunk
//! may outlive the driver.

mod chunk;

pub use chunk::Chunk;

use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    cell::{Cell, RefCell},
    fmt, io,
    ptr::NonNull,
    rc::Rc,
};

/// Buffers begin on a page, so that the kernel may be given them as they are.
const ALIGNMENT: usize = 4096;

/// How many single buffers are kept for reuse; more than this are freed.
const KEPT: usize = 256;

/// A pool of equal buffers, for one thread. Cloning it gives another handle to the same pool.
#[derive(Clone)]
pub struct BufferPool(Rc<Inner>);

struct Inner {
    size: usize,
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
        Self::with_block(size, 0, None)
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
        let no_memory = |count: u16| {
            let text = format!("there is no memory for {count} receive buffers of {size} bytes");
            move || io::Error::new(io::ErrorKind::OutOfMemory, text)
        };
        let block = match provided {
            0 => None,
            count => {
                let layout = Layout::from_size_align(size.saturating_mul(count.into()), ALIGNMENT).ok();
                Some(layout.and_then(try_allocate).ok_or_else(no_memory(count))?)
            }
        };
        let pool = Self::with_block(size, provided, block);
        let single = try_allocate(Self::layout(size)).ok_or_else(no_memory(1))?;
        pool.0.free.borrow_mut().push(single);
        Ok(pool)
    }

    fn is_possible(size: usize) -> bool {
        (1..=Self::LARGEST).contains(&size)
    }

    fn with_block(size: usize, provided: u16, block: Option<NonNull<u8>>) -> Self {
        Self(Rc::new(Inner {
            size,
            provided,
            block,
            free: RefCell::new(Vec::new()),
            returned: RefCell::new(Vec::with_capacity(provided.into())),
            in_use: Cell::new(0),
        }))
    }

    fn layout(size: usize) -> Layout {
        // The size is a buffer's, or that of a block that was allocated.
        Layout::from_size_align(size, ALIGNMENT).expect("buffers do not fill the address space")
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
        let buffer = self.0.free.borrow_mut().pop().unwrap_or_else(|| allocate(Self::layout(self.0.size)));
        self.0.in_use.set(self.0.in_use.get() + 1);
        Chunk::new(self.clone(), buffer, 0)
    }

    /// Where the provided buffer of this number lies.
    ///
    /// # Panics
    /// If there is no such buffer.
    pub fn provided_pointer(&self, number: u16) -> NonNull<u8> {
        let block = self.0.block.filter(|_| number < self.0.provided).expect("number of a provided buffer");
        // SAFETY: the block has `provided` times `size` bytes and the number is below `provided`.
        unsafe { block.add(usize::from(number) * self.0.size) }
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
        self.0.in_use.set(self.0.in_use.get() + 1);
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

    /// The number of a provided buffer, by where it lies.
    #[inline]
    fn number_of(&self, buffer: NonNull<u8>) -> Option<u16> {
        let offset = buffer.addr().get().checked_sub(self.0.block?.addr().get())?;
        let number = offset / self.0.size;
        (number < usize::from(self.0.provided)).then_some(number as u16)
    }

    #[inline]
    fn give_back(&self, buffer: NonNull<u8>) {
        self.0.in_use.set(self.0.in_use.get() - 1);
        if let Some(number) = self.number_of(buffer) {
            return self.0.returned.borrow_mut().push(number);
        }
        let mut free = self.0.free.borrow_mut();
        if free.len() < KEPT {
            free.push(buffer);
        } else {
            // SAFETY: a single buffer was allocated with this layout and its chunk is gone.
            unsafe { dealloc(buffer.as_ptr(), Self::layout(self.0.size)) };
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        for buffer in self.free.get_mut().drain(..) {
            // SAFETY: single buffers were allocated with this layout and none in the list has an owner.
            unsafe { dealloc(buffer.as_ptr(), BufferPool::layout(self.size)) };
        }
        if let Some(block) = self.block {
            // SAFETY: the block was allocated with this layout; all chunks hold the pool, so none is left.
            unsafe {
                dealloc(block.as_ptr(), BufferPool::layout(self.size * usize::from(self.provided)));
            }
        }
    }
}

impl fmt::Debug for BufferPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("BufferPool").field(&self.statistics()).finish()
    }
}

fn allocate(layout: Layout) -> NonNull<u8> {
    try_allocate(layout).unwrap_or_else(|| handle_alloc_error(layout))
}

fn try_allocate(layout: Layout) -> Option<NonNull<u8>> {
    // SAFETY: no layout here is empty: sizes are checked when the pool is made.
    NonNull::new(unsafe { alloc(layout) })
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn buffers_beyond_the_number_kept_are_freed() {
        let pool = BufferPool::new(64);
        drop((0..KEPT + 10).map(|_| pool.take()).collect::<Vec<_>>());
        assert_eq!(pool.statistics().free, KEPT);
    }
}
