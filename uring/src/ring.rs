//! The ring itself: entering the kernel, and letting go of it.
//!
//! # Contract
//! The ring is used only by the thread that set it up (the type is not `Send` by way of its marker) and only in
//! the process that did. In a forked child its mappings are not there, so nothing of it is touched, not even to
//! let go of it. The kernel is entered with a time-out structure that lives until the call returns.

use crate::fork::ProcessGeneration;
use io_uring::{
    CompletionQueue, EnterFlags, IoUring, SubmissionQueue,
    types::{SubmitArgs, Timespec},
};
use std::{io, marker::PhantomData, mem::ManuallyDrop, os::fd::AsRawFd, ptr, time::Duration};

const REGISTER_RING_FDS: libc::c_uint = 20;
const UNREGISTER_RING_FDS: libc::c_uint = 21;

/// The kernel's `struct io_uring_rsrc_update`.
#[repr(C)]
struct ResourceUpdate {
    offset: u32,
    reserved: u32,
    data: u64,
}

/// How long to stay in the kernel for a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    No,
    For(Duration),
    Forever,
}

/// What a look at the queues shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// Entries that the kernel has not consumed.
    pub(crate) queued: u32,
    /// The kernel has completions that only entering it brings to light.
    pub(crate) hidden: bool,
}

/// A ring with its registered descriptor.
pub(crate) struct Ring {
    io: ManuallyDrop<IoUring>,
    registered: Option<Registration>,
    /// The flags of each entry into the kernel.
    flags: EnterFlags,
    process: ProcessGeneration,
    one_thread: PhantomData<*const ()>,
}

impl Ring {
    pub(crate) fn new(io: IoUring, registered: Option<Registration>, process: ProcessGeneration) -> Self {
        let mut flags = EnterFlags::GETEVENTS | EnterFlags::EXT_ARG;
        if registered.is_some() {
            flags |= EnterFlags::REGISTERED_RING;
        }
        if io.params().is_feature_no_iowait() {
            // Waiting for clients is not waiting for a disk, and is not to be taken for pressure on one.
            flags |= EnterFlags::NO_IOWAIT;
        }
        Self { io: ManuallyDrop::new(io), registered, flags, process, one_thread: PhantomData }
    }

    /// Whether the kernel is told that waits here are none for a disk.
    #[cfg(test)]
    pub(crate) fn waits_for_no_disk(&self) -> bool {
        self.flags.contains(EnterFlags::NO_IOWAIT)
    }

    /// Whether this is another process than the one whose ring it is.
    #[inline]
    pub(crate) fn is_foreign(&self) -> bool {
        self.process.is_past()
    }

    pub(crate) fn io(&self) -> &IoUring {
        &self.io
    }

    #[inline]
    pub(crate) fn submission(&mut self) -> SubmissionQueue<'_> {
        self.io.submission()
    }

    #[inline]
    pub(crate) fn completion(&mut self) -> CompletionQueue<'_> {
        self.io.completion()
    }

    #[inline]
    pub(crate) fn has_completions(&mut self) -> bool {
        !self.io.completion().is_empty()
    }

    #[inline]
    pub(crate) fn look(&mut self) -> Look {
        let submission = self.io.submission();
        Look { queued: submission.len() as u32, hidden: submission.taskrun() || submission.cq_overflow() }
    }

    /// Whether the kernel has completions for which there was no room.
    pub(crate) fn has_overflowed(&mut self) -> bool {
        self.io.submission().cq_overflow()
    }

    /// Submits `count` entries, runs what the kernel has put off, and waits for a completion.
    ///
    /// # Errors
    /// What the kernel says. A wait that ended without a completion is `ETIME` or `EINTR`, unless entries were
    /// consumed.
    pub(crate) fn enter(&self, count: u32, pause: Pause) -> io::Result<u32> {
        let timespec;
        let mut arguments = SubmitArgs::new();
        let least = match pause {
            Pause::No => 0,
            Pause::Forever => 1,
            Pause::For(duration) => {
                timespec = Timespec::from(duration);
                arguments = arguments.timespec(&timespec);
                1
            }
        };
        let descriptor = match self.registered {
            Some(Registration(index)) => index,
            None => self.io.as_raw_fd() as u32,
        };
        // SAFETY: the descriptor or index is this ring's, and the arguments live until the call returns.
        let result = unsafe {
            libc::syscall(
                libc::SYS_io_uring_enter,
                descriptor,
                count,
                least,
                self.flags.bits(),
                ptr::from_ref(&arguments),
                size_of_val(&arguments),
            )
        };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result as u32) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        if self.is_foreign() {
            return;
        }
        if let Some(registration) = self.registered {
            registration.undo(&self.io);
        }
        // SAFETY: this is the only place where it is dropped, and it is not used afterwards.
        unsafe { ManuallyDrop::drop(&mut self.io) };
    }
}

/// The index under which the kernel finds a ring for the thread that registered it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Registration(u32);

impl Registration {
    /// Registers a ring's descriptor, where the kernel and the thread's 16 places allow.
    pub(crate) fn new(io: &IoUring) -> Option<Self> {
        let mut update = ResourceUpdate { offset: u32::MAX, reserved: 0, data: io.as_raw_fd() as u64 };
        (update.call(io, REGISTER_RING_FDS) == 1).then_some(Self(update.offset))
    }

    /// If this fails, the thread's end lets go of the ring.
    fn undo(self, io: &IoUring) {
        ResourceUpdate { offset: self.0, reserved: 0, data: 0 }.call(io, UNREGISTER_RING_FDS);
    }
}

impl ResourceUpdate {
    fn call(&mut self, io: &IoUring, what: libc::c_uint) -> libc::c_long {
        // SAFETY: the structure is valid as an array of one, and the kernel is done with it when the call returns.
        unsafe { libc::syscall(libc::SYS_io_uring_register, io.as_raw_fd(), what, ptr::from_mut(self), 1) }
    }
}
