//! What the operating system says, in values: which signal, how a process has ended, how busy a thread is.

pub(crate) mod broken_worker;
pub(crate) mod completed;
pub(crate) mod signal;
#[cfg(target_os = "linux")]
pub(crate) mod thread_clock;
#[cfg(not(target_os = "linux"))]
#[path = "system/no_thread_clock.rs"]
pub(crate) mod thread_clock;
