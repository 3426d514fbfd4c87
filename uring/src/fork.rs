//! Telling a forked child from the process that set up the ring.
//!
//! # Contract
//! A ring's mappings and descriptor are inherited by a forked child, but the ring stays the parent's: entries the
//! child submits would work on the parent's behalf and completions it takes would be missing there. A handler
//! that runs in each child counts up, and whoever owns a ring compares the count with the one at set-up. The
//! handler does nothing but this one atomic addition, which is allowed between `fork` and `exec`.

use std::{
    io,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

static FORKS: AtomicU32 = AtomicU32::new(0);

/// How often this process's ancestors had forked when the value was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessGeneration(u32);

impl ProcessGeneration {
    /// The generation of the process that calls.
    ///
    /// # Errors
    /// If the system has no memory to note the handler.
    pub(crate) fn current() -> io::Result<Self> {
        static HANDLER: OnceLock<i32> = OnceLock::new();
        // SAFETY: the handler is a function without arguments that is always there and does nothing but an
        // atomic addition.
        match *HANDLER.get_or_init(|| unsafe { libc::pthread_atfork(None, None, Some(count_fork)) }) {
            0 => Ok(Self(FORKS.load(Ordering::Relaxed))),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Whether the process that calls is a fork of the one that made this value.
    #[inline]
    pub(crate) fn is_past(self) -> bool {
        FORKS.load(Ordering::Relaxed) != self.0
    }
}

unsafe extern "C" fn count_fork() {
    FORKS.fetch_add(1, Ordering::Relaxed);
}
