//! Processors for which stable Rust has no way to ask for memory in advance.

/// Has the line of this address fetched into the cache. The address need not be valid. Where the
/// processor cannot be asked, as here, it does nothing.
#[inline]
pub fn prefetch<T>(_address: *const T) {}
