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
pub(super) const GROUP: u16 = 0;
const BUFFERS: u16 = 256;
const BUFFER_BYTES: usize = 16 * 1024;
const PAGE: usize = 4096;

/// A buffer's number and how many bytes the kernel put into it.
#[derive(Clone, Copy)]
pub(super) struct Filled {
    pub(super) buffer: u16,
    pub(super) length: u32,
}

pub(super) struct BufferRing {
    entries: *mut BufRingEntry,
    memory: *mut u8,
    tail: u16,
    held: u16,
}

impl BufferRing {
    pub(super) fn register(submitter: &Submitter<'_>) -> io::Result<Self> {
        let entries = leaked_pages(usize::from(BUFFERS) * size_of::<BufRingEntry>()).cast::<BufRingEntry>();
        let memory = leaked_pages(usize::from(BUFFERS) * BUFFER_BYTES);
        // SAFETY: the entries are page-aligned, as long as said, and never freed.
        unsafe { submitter.register_buf_ring_with_flags(entries as u64, BUFFERS, GROUP, 0)? };
        let mut ring = Self { entries, memory, tail: 0, held: BUFFERS };
        for buffer in 0..BUFFERS {
            ring.give_back(buffer);
        }
        ring.publish();
        Ok(ring)
    }

    /// Where a buffer's bytes are.
    pub(super) fn address(&self, buffer: u16) -> *const u8 {
        self.memory.wrapping_add(usize::from(buffer) * BUFFER_BYTES)
    }

    /// Notes that a completion named a buffer, which is now the connection's.
    pub(super) fn take(&mut self, buffer: u16, length: u32) -> Filled {
        self.held += 1;
        Filled { buffer, length }
    }

    /// Whether connections hold all buffers, so that a receive can only fail.
    pub(super) fn is_empty(&self) -> bool {
        self.held == BUFFERS
    }

    /// Queues a buffer for the kernel, which sees it after [`publish`](Self::publish).
    pub(super) fn give_back(&mut self, buffer: u16) {
        let place = usize::from(self.tail % BUFFERS);
        let address = self.address(buffer) as u64;
        // SAFETY: the place is within the ring, and no more than all buffers are ever queued, so the kernel
        // has consumed what was there. Zeroed memory is a valid entry; no other reference to it exists.
        let entry = unsafe { &mut *self.entries.add(place) };
        entry.set_addr(address);
        entry.set_len(BUFFER_BYTES as u32);
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        self.held -= 1;
    }

    /// Lets the kernel see all buffers that were given back.
    pub(super) fn publish(&self) {
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
