//! Kinds of tokens: whose entry a completion answers.
//!
//! Kind 0 is the caller's. The others are the driver's own and never leave it.

/// An operation of the caller.
pub(crate) const OPERATION: u8 = 0;
/// A request to cancel the operation with the same index and generation.
pub(crate) const CANCEL: u8 = 1;
/// Nothing, done behind the operation with the same index and generation: the kernel has let go of that one's file.
pub(crate) const RELEASED: u8 = 2;
/// The poll of the descriptor with which other threads wake this driver.
pub(crate) const UNPARK: u8 = 3;
/// An entry that was taken back while it was still in the driver's queue. Never reaches the kernel.
pub(crate) const TAKEN_BACK: u8 = 4;
