//! Signals: receiving them, and Ctrl-C.

mod interrupt;
// Each test has a signal of its own, for which only Linux has enough.
#[cfg(target_os = "linux")]
mod receivers;
