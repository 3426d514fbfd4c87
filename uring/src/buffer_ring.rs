//! The rings of buffers from which the kernel takes one when data has come.
//!
//! # Contract
//! The kernel reads the ring's entries and writes into the buffers they name. Both the ring's memory and the
//! pool's block stay where they are until the ring is unregistered and no operation is in flight; if that can't
//! be reached, both are leaked. An entry is written only while the kernel can't see it: after the tail, which is
//! published with one release store. A buffer is put into the ring only when nobody owns it: at the beginning,
//! and after the chunk that owned it was dropped. There are never more entries than the ring has room for,
//! because each buffer is in it at most once.
//!
//! The ring for streams is set up with the driver and not at the first receive: what it costs then is one system call and
//! one page, since the buffers themselves are neither touched nor pinned by it, and what the driver can do is
//! known from the start. That for messages is set up at the first of them, and gets more buffers when they run out.

use anyio_driver::{BufferPool, Chunk};
use io_uring::{IoUring, types::BufRingEntry};
use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    io,
    ptr::NonNull,
    sync::atomic::{AtomicU16, Ordering},
};

/// The number by which entries name the ring of buffers of streams.
pub(crate) const GROUP: u16 = 0;
/// That of the ring of larger buffers for messages.
pub(crate) const MESSAGE_GROUP: u16 = 1;

/// Set in the kernel's numbers of buffers for messages. Those below are of streams.
pub(crate) const MESSAGE_BIT: u16 = 1 << 15;

/// The kernel's limit.
const MOST: u16 = 1 << 15;

/// How many buffers for messages there can be. They lie in one block whose memory is only used when they are.
const MOST_MESSAGES: u16 = 1024;
/// How many of them there are in the beginning. A shortage doubles them.
const FEW_MESSAGES: u16 = 16;
/// How many bytes may go round in the buffers for messages as long as these come back in time: what fits into a
/// processor's own cache. The kernel fills the one that has been back for longest, so with more it finds none of them
/// there any more.
const CACHED: usize = 1 << 20;

const PAGE: usize = 4096;

/// A pool together with the ring through which the kernel takes buffers from it.
pub(crate) struct BufferRing {
    pool: BufferPool,
    entries: Option<Entries>,
    /// By which number entries name the ring.
    group: u16,
    /// How many of the pool's provided buffers have ever been in the ring.
    begun: u16,
    /// For each provided buffer: one more than the bytes the kernel has put there, as long as the completion that
    /// says so was not followed by `take`; otherwise 0.
    filled: Vec<u32>,
    /// How many bytes the last messages had, each weighing a little less than the next: 16 times the mean.
    recent: usize,
}

impl BufferRing {
    /// A pool without a ring; nothing can be received into it by the kernel's choice.
    pub(crate) fn without_ring(pool: BufferPool) -> Self {
        Self::of_pool(pool, GROUP)
    }

    /// A pool for messages without a ring.
    pub(crate) fn messages_without_ring() -> Self {
        Self::of_pool(BufferPool::for_messages(), MESSAGE_GROUP)
    }

    fn of_pool(pool: BufferPool, group: u16) -> Self {
        let filled = vec![0; pool.provided().into()];
        Self { pool, entries: None, group, begun: 0, filled, recent: 0 }
    }

    /// A pool with so many provided buffers as `wanted`, or as fit into a ring.
    ///
    /// # Errors
    /// As for [`BufferPool::try_new`].
    pub(crate) fn pool_for(size: usize, wanted: u16) -> io::Result<BufferPool> {
        BufferPool::try_new(size, wanted.min(MOST))
    }

    /// Puts all provided buffers of a pool into a ring that is registered with `ring`.
    ///
    /// # Errors
    /// What the kernel says to the registration.
    pub(crate) fn register(ring: &IoUring, pool: BufferPool) -> io::Result<Self> {
        let count = pool.provided();
        let entries = Entries::register(ring, GROUP, count)?;
        let mut buffers = Self::of_pool(pool, GROUP);
        buffers.entries = Some(entries);
        buffers.begin(count);
        Ok(buffers)
    }

    /// A pool for messages with a ring of its own, in which only some of its buffers are yet.
    ///
    /// # Errors
    /// What the kernel says to the registration, or that there is no memory for so many buffers.
    pub(crate) fn register_messages(ring: &IoUring) -> io::Result<Self> {
        let pool = BufferPool::try_for_messages(MOST_MESSAGES)?;
        let entries = Entries::register(ring, MESSAGE_GROUP, MOST_MESSAGES)?;
        let mut buffers = Self::of_pool(pool, MESSAGE_GROUP);
        buffers.entries = Some(entries);
        buffers.begin(FEW_MESSAGES);
        Ok(buffers)
    }

    /// Puts buffers into the ring that were never there, until it has so many in all.
    fn begin(&mut self, count: u16) {
        let Some(entries) = &mut self.entries else { return };
        let count = count.min(self.pool.provided());
        for number in self.begun..count {
            entries.push(&self.pool, number, self.group);
        }
        entries.publish();
        self.begun = self.begun.max(count);
    }

    /// The kernel has found the ring empty: doubles the buffers that go round in it, if there are more, and if it helps.
    #[cold]
    pub(crate) fn grow(&mut self) {
        let is_cached = self.recent / 16 * usize::from(self.begun) < CACHED;
        // What nobody holds is back with the next turn.
        let are_held = self.pool.statistics().in_use * 2 >= usize::from(self.begun);
        if is_cached || are_held {
            self.begin(self.begun.saturating_mul(2));
        }
    }

    /// Whether there is a ring.
    pub(crate) fn is_registered(&self) -> bool {
        self.entries.is_some()
    }

    pub(crate) fn pool(&self) -> &BufferPool {
        &self.pool
    }

    /// Puts the buffers of dropped chunks back into the ring.
    #[inline]
    pub(crate) fn refill(&mut self) {
        let Some(entries) = &mut self.entries else { return };
        let before = entries.tail;
        let group = self.group;
        self.pool.collect_returned(|number| entries.push(&self.pool, number, group));
        if entries.tail != before {
            entries.publish();
        }
    }

    /// Notes that the kernel has put `length` bytes into this buffer, which is now the driver's.
    #[inline]
    pub(crate) fn note_filled(&mut self, number: u16, length: u32) {
        self.filled[usize::from(number)] = length + 1;
        self.recent = self.recent - self.recent / 16 + length as usize;
    }

    /// Gives a buffer back that the kernel took and nobody will ask for.
    pub(crate) fn give_back(&mut self, number: u16) {
        self.note_filled(number, 0);
        drop(self.take(number, 0));
    }

    /// The buffer that a completion has named, as a chunk of its first `length` bytes.
    ///
    /// # Panics
    /// If no completion has named it since the last time, or with fewer bytes.
    #[inline]
    pub(crate) fn take(&mut self, number: u16, length: usize) -> Chunk {
        let filled = std::mem::take(&mut self.filled[usize::from(number)]) as usize;
        assert!(length < filled, "buffer {number} was not received with {length} bytes");
        // SAFETY: the kernel has given the buffer back with at least that many bytes in it, and the entry in
        // `filled` was only there for one chunk.
        unsafe { self.pool.take_provided(number, length) }
    }

    /// Takes the ring away from the kernel.
    ///
    /// # Errors
    /// If the kernel refuses; then the memory must be leaked.
    pub(crate) fn unregister(&self, ring: &IoUring) -> io::Result<()> {
        if self.entries.is_some() { ring.submitter().unregister_buf_ring(self.group) } else { Ok(()) }
    }

    /// Keeps the ring and the buffers for ever, because the kernel may still use them.
    pub(crate) fn leak(&mut self) {
        std::mem::forget(self.pool.clone());
        std::mem::forget(self.entries.take());
    }
}

/// The memory of the ring of buffers.
struct Entries {
    memory: NonNull<BufRingEntry>,
    count: u16,
    tail: u16,
}

impl Entries {
    fn layout(count: u16) -> Layout {
        Layout::array::<BufRingEntry>(count.into())
            .and_then(|layout| layout.align_to(PAGE))
            .expect("a ring of buffers is at most 512 KiB")
    }

    /// Room for `count` entries or some more, registered with `ring` under this number.
    fn register(ring: &IoUring, group: u16, count: u16) -> io::Result<Self> {
        let entries = Self::new(count.next_power_of_two());
        // SAFETY: the memory has room for that many entries, and it is freed only after it was unregistered.
        unsafe {
            ring.submitter().register_buf_ring_with_flags(
                entries.memory.as_ptr() as u64,
                entries.count,
                group,
                0,
            )?;
        }
        Ok(entries)
    }

    /// Room for `count` entries, a power of two.
    fn new(count: u16) -> Self {
        let layout = Self::layout(count);
        // SAFETY: the layout is not empty, as there is at least one entry.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(memory) = NonNull::new(memory.cast()) else { handle_alloc_error(layout) };
        Self { memory, count, tail: 0 }
    }

    #[inline]
    fn push(&mut self, pool: &BufferPool, number: u16, group: u16) {
        let index = usize::from(self.tail & (self.count - 1));
        // SAFETY: the index is below the count. The kernel does not look at entries from the tail on. The setters
        // leave alone the last two bytes, which in the first entry are the tail.
        let entry = unsafe { self.memory.add(index).as_mut() };
        entry.set_addr(pool.provided_pointer(number).as_ptr() as u64);
        entry.set_len(pool.buffer_size() as u32);
        entry.set_bid(if group == MESSAGE_GROUP { number | MESSAGE_BIT } else { number });
        self.tail = self.tail.wrapping_add(1);
    }

    #[inline]
    fn publish(&self) {
        // SAFETY: the memory begins with an initialised entry and is aligned to a page; the tail is only ever
        // accessed through this atomic.
        unsafe {
            let tail = BufRingEntry::tail(self.memory.as_ptr());
            AtomicU16::from_ptr(tail.cast_mut()).store(self.tail, Ordering::Release);
        }
    }
}

impl Drop for Entries {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout; the ring was unregistered or this value forgotten.
        unsafe { dealloc(self.memory.as_ptr().cast(), Self::layout(self.count)) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_buffers(ring: &io::Result<IoUring>) -> BufferRing {
        // Without a kernel that knows such rings, one that nobody takes buffers from will do.
        let pool = || BufferPool::try_new(64, 2).unwrap();
        let registered = ring.as_ref().ok().and_then(|ring| BufferRing::register(ring, pool()).ok());
        registered.unwrap_or_else(|| {
            let mut entries = Entries::new(2);
            entries.tail = 2;
            BufferRing { entries: Some(entries), ..BufferRing::of_pool(pool(), GROUP) }
        })
    }

    #[test]
    #[should_panic(expected = "buffer 1 was not received with 0 bytes")]
    fn a_buffer_that_no_completion_named_cannot_be_taken() {
        let ring = IoUring::new(1);
        let mut buffers = two_buffers(&ring);
        buffers.note_filled(1, 3);
        drop(buffers.take(1, 3));
        drop(buffers.take(1, 0));
    }

    #[test]
    fn dropped_chunks_go_back_into_the_ring() {
        let ring = IoUring::new(1);
        let mut buffers = two_buffers(&ring);
        let tail = |buffers: &BufferRing| buffers.entries.as_ref().unwrap().tail;
        buffers.note_filled(1, 3);
        let chunk = buffers.take(1, 3);
        buffers.refill();
        assert_eq!(tail(&buffers), 2);
        drop(chunk);
        buffers.refill();
        assert_eq!(tail(&buffers), 3);
        buffers.give_back(0);
        buffers.refill();
        assert_eq!(tail(&buffers), 4);
    }
}
