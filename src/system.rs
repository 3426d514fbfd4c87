//! What the operating system says, in values: which signal, and how a process has ended.

pub(crate) mod broken_worker;
pub(crate) mod completed;
pub(crate) mod signal;
