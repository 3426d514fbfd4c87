//! Telling those who wait elsewhere that a ring has completions.
//!
//! # Contract
//! The eventfd is the ring's as long as that lives. It is never read: each write is an edge, whatever the count.
//!
//! What a turn itself completes is known to it, so the kernel is told to keep quiet meanwhile. That loses nothing where
//! completions are deferred: then the kernel notes that there are some, by a locked operation, before it looks whether to tell.
//! Elsewhere it may look first, and it tells always.
//!
//! What an eventfd itself wakes, such as a poll of another one, the kernel does not tell at once, as it might run in circles. It
//! puts that off for some milliseconds, and forgets it but for the first time that this happens (Linux 6.18). So calls to wake up
//! do not rely on it, and while other such operations are in flight each rest begins with a new first time.

use crate::unpark::owned;
use io_uring::{CompletionQueue, IoUring};
use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, OwnedFd, RawFd},
    sync::atomic::{Ordering, fence},
};

/// An eventfd to which the kernel writes for completions.
pub(crate) struct EventSource {
    event: OwnedFd,
    is_muted_in_turns: bool,
}

impl EventSource {
    /// Has the kernel tell of this ring's completions; only outside of turns, if they can be muted.
    ///
    /// # Errors
    /// If there are no more descriptors to be had.
    pub(crate) fn new(io: &IoUring, is_muted_in_turns: bool) -> io::Result<Self> {
        // SAFETY: no memory is involved, and the new descriptor is nobody else's.
        let event = unsafe { owned(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))? };
        io.submitter().register_eventfd(event.as_raw_fd())?;
        Ok(Self { event, is_muted_in_turns })
    }

    /// Whether an operation that waits for this descriptor may be ended by an eventfd.
    pub(crate) fn is_doubtful(fd: RawFd) -> bool {
        let mut status = MaybeUninit::<libc::stat>::zeroed();
        // SAFETY: the status has room for what is written to it; zeroes are valid.
        let mode = unsafe {
            libc::fstat(fd, status.as_mut_ptr());
            status.assume_init().st_mode
        };
        // What is of no type: event counters, and lists in which they may be.
        mode & libc::S_IFMT == 0
    }

    /// Has the kernel tell the next time, whatever it has put off.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub(crate) fn renew(&self, io: &IoUring) -> io::Result<()> {
        io.submitter().unregister_eventfd()?;
        io.submitter().register_eventfd(self.event.as_raw_fd())
    }

    /// Another descriptor of the same.
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        self.event.try_clone()
    }

    /// From now on the kernel tells.
    #[inline]
    pub(crate) fn begin(&self, completions: &CompletionQueue<'_>) {
        if self.is_muted_in_turns {
            completions.enable_eventfd();
            // What the caller looks for next must not have been looked for before.
            fence(Ordering::SeqCst);
        }
    }

    /// From now on the kernel need not tell.
    #[inline]
    pub(crate) fn end(&self, completions: &CompletionQueue<'_>) {
        if self.is_muted_in_turns {
            completions.disable_eventfd();
        }
    }
}
