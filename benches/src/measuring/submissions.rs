//! The submitting half of a ring, as the load generator and the hand-written ring loops use it.
//!
//! Contract: memory named by a pushed entry stays valid and in place until the entry's last completion.
//! Whoever pushes keeps that promise; nothing here frees memory.

use std::{io, time::Duration};

use io_uring::{
    IoUring, SubmissionQueue, Submitter,
    squeue::Entry,
    types::{SubmitArgs, Timespec},
};

const ENTRIES: u32 = 4096;
const COMPLETIONS: u32 = 16_384;
/// `IORING_ENTER_GETEVENTS`
const ENTER_GETEVENTS: u32 = 1;

/// A ring for one thread that runs deferred work only when it enters the kernel (Linux 6.1).
pub(crate) fn ring() -> io::Result<IoUring> {
    IoUring::builder()
        .setup_single_issuer()
        .setup_defer_taskrun()
        .setup_submit_all()
        .setup_cqsize(COMPLETIONS)
        .build(ENTRIES)
}

/// Queues entries and enters the kernel, once per turn unless the queue overflows.
pub(crate) struct Submissions<'ring> {
    submitter: Submitter<'ring>,
    queue: SubmissionQueue<'ring>,
}

impl<'ring> Submissions<'ring> {
    pub(crate) fn new(submitter: Submitter<'ring>, queue: SubmissionQueue<'ring>) -> Self {
        Self { submitter, queue }
    }

    /// Queues an entry; submits what is queued first if there is no room.
    ///
    /// # Safety
    /// Memory and descriptors that the entry names stay valid until its last completion.
    pub(crate) unsafe fn push(&mut self, entry: &Entry) -> io::Result<()> {
        // SAFETY: the caller vouches for what the entry names.
        while unsafe { self.queue.push(entry) }.is_err() {
            self.queue.sync();
            ignore_interruption(self.submitter.submit())?;
            self.queue.sync();
        }
        Ok(())
    }

    /// Submits what is queued.
    pub(crate) fn submit(&mut self) -> io::Result<()> {
        self.queue.sync();
        let entered = ignore_interruption(self.submitter.submit());
        self.queue.sync();
        entered
    }

    /// Submits what is queued and waits until there is at least one completion, or a signal arrives.
    pub(crate) fn turn(&mut self) -> io::Result<()> {
        self.queue.sync();
        let entered = ignore_interruption(self.submitter.submit_and_wait(1));
        self.queue.sync();
        entered
    }

    /// Submits what is queued, lets the kernel do what it has deferred, and waits for nothing.
    pub(crate) fn turn_without_waiting(&mut self) -> io::Result<()> {
        self.queue.sync();
        let entries = self.queue.len() as u32;
        // SAFETY: nothing is passed to the kernel but the entries, whose promise was given when they were pushed.
        let entered = unsafe { self.submitter.enter::<libc::sigset_t>(entries, 0, ENTER_GETEVENTS, None) };
        self.queue.sync();
        ignore_interruption(entered)
    }

    /// As [`turn`](Self::turn), but waits no longer than `limit`.
    pub(crate) fn turn_within(&mut self, limit: Duration) -> io::Result<()> {
        self.queue.sync();
        let limit = Timespec::from(limit);
        let arguments = SubmitArgs::new().timespec(&limit);
        let entered = ignore_interruption(self.submitter.submit_with_args(1, &arguments));
        self.queue.sync();
        entered
    }
}

/// A signal, a wait that ran out, or completions to be fetched first: all are left to the next turn.
fn ignore_interruption(entered: io::Result<usize>) -> io::Result<()> {
    match entered {
        Ok(_) => Ok(()),
        Err(error) => match error.raw_os_error() {
            Some(libc::EINTR | libc::ETIME | libc::EBUSY) => Ok(()),
            _ => Err(error),
        },
    }
}
