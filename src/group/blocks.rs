//! Memory for children: blocks of a few sizes, kept for reuse.
//!
//! # Contract
//! [`allocate`] gives memory of at least the layout's size and alignment; [`free`] takes it back with the same
//! layout, on the same thread. Blocks on a free list are owned by the list alone; the lists are freed with their
//! thread.

use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    cell::RefCell,
    ptr::NonNull,
};

/// Sizes are powers of two from 64 B on.
const SMALLEST: u32 = 6;
const CLASSES: usize = 8;
const ALIGNMENT: usize = 16;

/// How many bytes of each size are kept at most.
const KEPT: usize = 1 << 20;

struct FreeLists([Vec<NonNull<u8>>; CLASSES]);

thread_local! {
    static FREE: RefCell<FreeLists> = const { RefCell::new(FreeLists([const { Vec::new() }; CLASSES])) };
}

impl Drop for FreeLists {
    fn drop(&mut self) {
        for (class, blocks) in self.0.iter_mut().enumerate() {
            for block in blocks.drain(..) {
                // SAFETY: blocks in this list were allocated with this layout and have no other owner.
                unsafe { dealloc(block.as_ptr(), class_layout(class)) };
            }
        }
    }
}

fn class_of(layout: Layout) -> Option<usize> {
    if layout.align() > ALIGNMENT {
        return None;
    }
    let class = layout.size().max(1 << SMALLEST).next_power_of_two().trailing_zeros() - SMALLEST;
    Some(class as usize).filter(|&class| class < CLASSES)
}

fn class_layout(class: usize) -> Layout {
    // At most 8 KiB: always a valid layout.
    Layout::from_size_align(1 << (SMALLEST as usize + class), ALIGNMENT).expect("a small power of two")
}

/// Gives memory for this layout, which is not empty.
pub(super) fn allocate(layout: Layout) -> NonNull<u8> {
    assert!(layout.size() > 0, "an empty block");
    let class = class_of(layout);
    let kept = class.and_then(|class| FREE.try_with(|free| free.borrow_mut().0[class].pop()).ok().flatten());
    if let Some(block) = kept {
        return block;
    }
    let layout = class.map_or(layout, class_layout);
    // SAFETY: the layout is not empty.
    NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Takes memory back.
///
/// # Safety
/// The block came from [`allocate`] on this thread with this layout, and nobody uses it.
pub(super) unsafe fn free(block: NonNull<u8>, layout: Layout) {
    let class = class_of(layout);
    if let Some(class) = class {
        let kept = FREE.try_with(|free| {
            let blocks = &mut free.borrow_mut().0[class];
            let room = blocks.len() < KEPT >> (SMALLEST as usize + class);
            if room {
                blocks.push(block);
            }
            room
        });
        if kept == Ok(true) {
            return;
        }
    }
    // SAFETY: allocated with this layout (see `allocate`), and given up by the caller.
    unsafe { dealloc(block.as_ptr(), class.map_or(layout, class_layout)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_block_is_used_again_for_its_size() {
        let layout = Layout::from_size_align(100, 8).unwrap();
        let block = allocate(layout);
        // SAFETY: allocated above with the same layout, and not used.
        unsafe { free(block, layout) };
        assert_eq!(allocate(Layout::from_size_align(128, 16).unwrap()), block);
    }

    #[test]
    fn what_is_too_large_or_too_aligned_is_not_kept() {
        assert_eq!(class_of(Layout::from_size_align(8192, 16).unwrap()), Some(7));
        assert_eq!(class_of(Layout::from_size_align(8193, 16).unwrap()), None);
        assert_eq!(class_of(Layout::from_size_align(64, 64).unwrap()), None);
    }
}
