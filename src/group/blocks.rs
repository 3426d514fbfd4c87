//! Memory for children: blocks of a few sizes, kept for reuse.
//!
//! # Contract
//! [`allocate`] gives memory of at least the layout's size and alignment; [`free`] takes it back with the same
//! [`Size`], on the same thread. A block on a free list is owned by the list alone, which keeps its [`Link`] at the block's
//! beginning; the lists are freed with their thread.

use std::{
    alloc::{Layout, alloc, dealloc, handle_alloc_error},
    cell::Cell,
    ptr::{self, NonNull},
};

/// Up to here each line of the processor's cache more is a class of its own, so that what is used together lies together.
const FINE: usize = 1024;
const LINE: usize = 64;

/// From there on sizes double.
const LARGEST: usize = 8192;

const CLASSES: usize = FINE / LINE + (LARGEST / FINE).ilog2() as usize;
/// Blocks begin with a line.
const ALIGNMENT: usize = LINE;

/// How many bytes are kept at most, of all classes together.
const KEPT: usize = 8 << 20;

/// How large a block has to be, and on which list blocks of this size are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    /// `None` if such blocks are not kept.
    class: Option<usize>,
    /// That of the whole block, which is not empty.
    layout: Layout,
}

impl Size {
    /// What a block needs that holds this.
    pub(super) const fn of(layout: Layout) -> Self {
        assert!(layout.size() > 0, "an empty block");
        if layout.align() > ALIGNMENT || layout.size() > LARGEST {
            return Self { class: None, layout };
        }
        let (class, size) = if layout.size() <= FINE {
            let lines = layout.size().div_ceil(LINE);
            (lines - 1, lines * LINE)
        } else {
            let size = layout.size().next_power_of_two();
            (FINE / LINE - 1 + (size / FINE).ilog2() as usize, size)
        };
        match Layout::from_size_align(size, ALIGNMENT) {
            Ok(layout) => Self { class: Some(class), layout },
            Err(_) => panic!("a small size is a valid one"),
        }
    }

    /// How many bytes there are.
    pub(super) const fn bytes(self) -> usize {
        self.layout.size()
    }
}

/// The beginning of a block that is not used.
struct Link {
    next: *mut Link,
    layout: Layout,
}

/// The blocks that are not used: the first of each class, and how many bytes they are in all.
struct FreeLists {
    first: [Cell<*mut Link>; CLASSES],
    bytes: Cell<usize>,
}

thread_local! {
    static FREE: FreeLists =
        const { FreeLists { first: [const { Cell::new(ptr::null_mut()) }; CLASSES], bytes: Cell::new(0) } };
}

impl Drop for FreeLists {
    fn drop(&mut self) {
        for first in &self.first {
            let mut link = first.replace(ptr::null_mut());
            while !link.is_null() {
                // SAFETY: blocks in this list begin with a link, were allocated with its layout and have no other owner.
                unsafe {
                    let Link { next, layout } = link.read();
                    dealloc(link.cast(), layout);
                    link = next;
                }
            }
        }
    }
}

/// Gives memory of this size.
#[inline(always)]
pub(super) fn allocate(size: Size) -> NonNull<u8> {
    if let Some(class) = size.class {
        let kept = FREE.try_with(|free| {
            let link = NonNull::new(free.first[class].get())?;
            // SAFETY: blocks in this list begin with a link.
            free.first[class].set(unsafe { link.as_ref() }.next);
            free.bytes.set(free.bytes.get() - size.bytes());
            Some(link.cast())
        });
        if let Ok(Some(block)) = kept {
            return block;
        }
    }
    allocate_new(size.layout)
}

#[cold]
fn allocate_new(layout: Layout) -> NonNull<u8> {
    // SAFETY: the layout is not empty.
    NonNull::new(unsafe { alloc(layout) }).unwrap_or_else(|| handle_alloc_error(layout))
}

/// Takes memory back.
///
/// # Safety
/// The block came from [`allocate`] on this thread with this size, and nobody uses it.
#[inline]
pub(super) unsafe fn free(block: NonNull<u8>, size: Size) {
    if let Some(class) = size.class {
        let kept = FREE.try_with(|free| {
            let bytes = free.bytes.get() + size.bytes();
            if bytes > KEPT {
                return false;
            }
            let link = block.cast::<Link>();
            // SAFETY: the block is nobody's, and as large as a link and as aligned, as all kept blocks are.
            unsafe { link.write(Link { next: free.first[class].get(), layout: size.layout }) };
            free.first[class].set(link.as_ptr());
            free.bytes.set(bytes);
            true
        });
        if kept == Ok(true) {
            return;
        }
    }
    // SAFETY: allocated with this layout (see `allocate`), and given up by the caller.
    unsafe { dealloc(block.as_ptr(), size.layout) };
}

const _: () = assert!(size_of::<Link>() <= LINE && align_of::<Link>() <= ALIGNMENT);

#[cfg(test)]
mod tests {
    use super::*;

    fn size(bytes: usize, align: usize) -> Size {
        Size::of(Layout::from_size_align(bytes, align).unwrap())
    }

    #[test]
    fn a_freed_block_is_used_again_for_its_size() {
        let block = allocate(size(100, 8));
        // SAFETY: allocated above with the same size, and not used.
        unsafe { free(block, size(100, 8)) };
        let again = allocate(size(128, 16));
        assert_eq!(again, block);
        // SAFETY: as above.
        unsafe { free(again, size(128, 16)) };
    }

    #[test]
    fn blocks_are_as_large_as_asked_and_each_class_has_one_size() {
        let mut sizes = [0; CLASSES];
        for bytes in 1..=LARGEST {
            let size = size(bytes, 1);
            assert!(size.bytes() >= bytes);
            let of_class = &mut sizes[size.class.expect("small blocks are kept")];
            assert!(*of_class == 0 || *of_class == size.bytes());
            *of_class = size.bytes();
        }
        assert!(sizes.is_sorted() && sizes[0] == LINE && sizes[CLASSES - 1] == LARGEST);
    }

    #[test]
    fn what_is_too_large_or_too_aligned_is_not_kept() {
        assert_eq!(size(LARGEST + 1, 16).class, None);
        assert_eq!(size(64, 128).class, None);
    }

    #[test]
    fn no_more_than_a_share_of_freed_memory_is_kept() {
        let sizes = [size(LARGEST, 16), size(LARGEST / 2, 16)];
        for size in sizes {
            let blocks: Vec<_> = (0..KEPT / size.bytes() + 10).map(|_| allocate(size)).collect();
            for block in blocks {
                // SAFETY: allocated above with the same size, and not used.
                unsafe { free(block, size) };
            }
            FREE.with(|free| assert_eq!(free.bytes.get(), KEPT));
        }
    }
}
