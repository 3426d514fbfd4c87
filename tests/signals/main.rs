//! Signals: receiving them, and Ctrl-C.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]

mod interrupt;
#[cfg(target_os = "linux")]
mod late_waits;
// Each test has a signal of its own, for which only Linux has enough.
#[cfg(target_os = "linux")]
mod receivers;
