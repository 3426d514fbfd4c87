//! An allocator that keeps freed memory back for a while, filled with a pattern, and looks whether anybody has written there:
//! the kernel, too, whose writes no sanitizer sees.
//!
//! # Contract
//! Memory is given to the system's allocator once, with the layout that it was allocated with, when it leaves the
//! quarantine. The list is touched only under the lock, and nothing is allocated there.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::UnsafeCell,
    hint, slice,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

const PATTERN: u8 = 0xdb;

/// How many blocks are kept back, and up to what size.
const BLOCKS: usize = 4096;
const LARGEST: usize = 128 << 10;

#[global_allocator]
static QUARANTINE: Quarantine = Quarantine {
    locked: AtomicBool::new(false),
    blocks: UnsafeCell::new(Blocks { kept: [None; BLOCKS], next: 0 }),
    written: AtomicUsize::new(0),
};

struct Quarantine {
    locked: AtomicBool,
    blocks: UnsafeCell<Blocks>,
    /// The size of a block that was written to after it was freed, or 0.
    written: AtomicUsize,
}

struct Blocks {
    kept: [Option<(usize, Layout)>; BLOCKS],
    next: usize,
}

// SAFETY: what is not atomic is used under the lock.
unsafe impl Sync for Quarantine {}

impl Quarantine {
    fn with<R>(&self, use_blocks: impl FnOnce(&mut Blocks) -> R) -> R {
        while self.locked.swap(true, Ordering::Acquire) {
            hint::spin_loop();
        }
        // SAFETY: the lock is held, and none of the closures below comes back here.
        let result = use_blocks(unsafe { &mut *self.blocks.get() });
        self.locked.store(false, Ordering::Release);
        result
    }

    /// # Safety
    /// The block is in quarantine, or has just left it.
    unsafe fn check(&self, (address, layout): (usize, Layout)) {
        // SAFETY: the block is still allocated, and was filled.
        let bytes = unsafe { slice::from_raw_parts(address as *const u8, layout.size()) };
        if bytes.iter().any(|byte| *byte != PATTERN) {
            self.written.store(layout.size(), Ordering::SeqCst);
        }
    }
}

// SAFETY: memory comes from the system's allocator, and goes back there once.
unsafe impl GlobalAlloc for Quarantine {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let mut leaving = Some((memory as usize, layout));
        if layout.size() <= LARGEST {
            // SAFETY: nobody uses the block any more.
            unsafe { memory.write_bytes(PATTERN, layout.size()) };
            leaving = self.with(|blocks| {
                let place = blocks.next;
                blocks.next = (place + 1) % BLOCKS;
                blocks.kept[place].replace((memory as usize, layout))
            });
            if let Some(block) = leaving {
                // SAFETY: it was in quarantine.
                unsafe { self.check(block) };
            }
        }
        if let Some((address, layout)) = leaving {
            // SAFETY: nobody knows of the block any more.
            unsafe { System.dealloc(address as *mut u8, layout) };
        }
    }
}

/// Looks at all that is kept back. Gives the size of a block that was written to, if there is one.
pub(crate) fn written_to() -> Option<usize> {
    QUARANTINE.with(|blocks| {
        for block in blocks.kept.iter().flatten() {
            // SAFETY: it is in quarantine.
            unsafe { QUARANTINE.check(*block) };
        }
    });
    match QUARANTINE.written.swap(0, Ordering::SeqCst) {
        0 => None,
        size => Some(size),
    }
}

#[test]
fn a_late_write_is_seen() {
    let _lock = crate::peers::lock();
    let memory = Box::into_raw(Box::new([0_u8; 100]));
    // SAFETY: the box was just made.
    drop(unsafe { Box::from_raw(memory) });
    assert_eq!(written_to(), None);
    // SAFETY: the memory is kept back, and this is what the quarantine is there for.
    unsafe { memory.cast::<u8>().add(7).write_volatile(1) };
    assert_eq!(written_to(), Some(100));
    // SAFETY: as above.
    unsafe { memory.cast::<u8>().add(7).write_volatile(PATTERN) };
    assert_eq!(written_to(), None);
}
