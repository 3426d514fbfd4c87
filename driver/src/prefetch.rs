//! Asking the processor to fetch memory that will be used soon.

use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};

/// Has the line of this address fetched into the cache. The address need not be valid. Where the
/// processor cannot be asked it does nothing.
#[inline]
pub fn prefetch<T>(address: *const T) {
    // SAFETY: a prefetch reads nothing that the program can see, and faults at no address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
}
