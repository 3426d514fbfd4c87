//! Buffers that the kernel picks from when data arrives.
//!
//! Contract: the ring and the buffers are leaked, for the process ends with the server. A buffer is in the ring
//! or with its connection, never both: `give_back` is called once for each completion that named a buffer, after
//! the last use. Only this thread writes entries and the tail, which is stored with release order after them.

use std::{
    alloc::{Layout, alloc_zeroed, handle_alloc_error},
    io,
    sync::atomic::{AtomicU16, Ordering},
};

use io_uring::{Submitter, types::BufRingEntry};

/// The group's number.
pub(in crate::peers) const GROUP: u16 = 0;
const PAGE: usize = 4096;

/// A buffer's number and how many bytes the kernel put into it.
#[derive(Clone, Copy)]
pub(in crate::peers) struct Filled {
    pub(in crate::peers) buffer: u16,
    pub(in crate::peers) length: u32,
}

pub(in crate::peers) struct BufferRing {
    entries: *mut BufRingEntry,
    memory: *mut u8,
    count: u16,
    bytes: usize,
    tail: u16,
    held: u16,
}

impl BufferRing {
    /// So many buffers, a power of two, of so many bytes.
    pub(in crate::peers) fn register(
        submitter: &Submitter<'_>,
        count: u16,
        bytes: usize,
    ) -> io::Result<Self> {
        let entries = leaked_pages(usize::from(count) * size_of::<BufRingEntry>()).cast::<BufRingEntry>();
        let memory = leaked_pages(usize::from(count) * bytes);
        // SAFETY: the entries are page-aligned, as long as said, and never freed.
        unsafe { submitter.register_buf_ring_with_flags(entries as u64, count, GROUP, 0)? };
        let mut ring = Self { entries, memory, count, bytes, tail: 0, held: count };
        for buffer in 0..count {
            ring.give_back(buffer);
        }
        ring.publish();
        Ok(ring)
    }

    /// Where a buffer's bytes are.
    pub(in crate::peers) fn address(&self, buffer: u16) -> *const u8 {
        self.memory.wrapping_add(usize::from(buffer) * self.bytes)
    }

    /// Notes that a completion named a buffer, which is now the connection's.
    pub(in crate::peers) fn take(&mut self, buffer: u16, length: u32) -> Filled {
        self.held += 1;
        Filled { buffer, length }
    }

    /// Whether connections hold all buffers, so that a receive can only fail.
    pub(in crate::peers) fn is_empty(&self) -> bool {
        self.held == self.count
    }

    /// Where in the ring the buffer goes that is given back next.
    pub(in crate::peers) fn next_place(&self) -> u16 {
        self.tail % self.count
    }

    /// Queues a buffer for the kernel, which sees it after [`publish`](Self::publish).
    pub(in crate::peers) fn give_back(&mut self, buffer: u16) {
        let place = usize::from(self.next_place());
        let address = self.address(buffer) as u64;
        // SAFETY: the place is within the ring, and no more than all buffers are ever queued, so the kernel
        // has consumed what was there. Zeroed memory is a valid entry; no other reference to it exists.
        let entry = unsafe { &mut *self.entries.add(place) };
        entry.set_addr(address);
        entry.set_len(self.bytes as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        self.held -= 1;
    }

    /// Lets the kernel see all buffers that were given back.
    pub(in crate::peers) fn publish(&self) {
        // SAFETY: the pointer is to the first entry of a live ring, where the tail is; it is aligned, and
        // this process accesses it atomically only.
        let tail = unsafe { AtomicU16::from_ptr(BufRingEntry::tail(self.entries).cast_mut()) };
        tail.store(self.tail, Ordering::Release);
    }
}

fn leaked_pages(bytes: usize) -> *mut u8 {
    let layout = Layout::from_size_align(bytes, PAGE).expect("a page is a power of two");
    // SAFETY: no caller asks for zero bytes.
    let pages = unsafe { alloc_zeroed(layout) };
    if pages.is_null() {
        handle_alloc_error(layout);
    }
    pages
}
