//! Processors for which stable Rust has no way to ask for memory in advance.

/// Does nothing.
#[inline]
pub(super) fn prefetch(_address: *const ()) {}
