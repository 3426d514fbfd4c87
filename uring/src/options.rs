//! How a ring is to be set up.

use crate::ZeroCopySends;
use anyio_driver::OpKind;
use std::{num::NonZeroU32, time::Duration};

/// How a [`UringDriver`](crate::UringDriver) is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Entries of the submission queue; the kernel rounds up to a power of two and clamps to what it allows.
    /// More operations than this may be submitted at once: they go to the kernel in several steps.
    pub entries: u32,
    /// Entries of the completion queue, or eight times [`entries`](Options::entries). More completions than this
    /// are not lost, only slower. The kernel also makes the table larger in which it looks up what is to be cancelled,
    /// up to 8192 entries.
    pub completion_entries: Option<u32>,
    /// How many buffers lie in the ring from which pooled receives take theirs, at most 32,768. With 0 there are
    /// no pooled receives.
    pub buffers: u16,
    /// The size in bytes of each pool buffer.
    pub buffer_size: usize,
    /// How long a turn that would wait looks at the completion queue first. Saves the cost of going to sleep
    /// where answers come within microseconds, at the price of a busy processor.
    pub spin: Option<Duration>,
    /// How many threads of the kernel may do what works on files, for this ring. By default at least 64.
    pub kernel_workers: Option<NonZeroU32>,
    /// How long a wait polls the queues of network devices before it sleeps (`IORING_REGISTER_NAPI`), in whole
    /// microseconds. Where the kernel refuses, [`Report`](crate::Report) says so, and waits are as always.
    pub busy_poll: Option<Duration>,
    /// From when on sends go without a copy, where the kernel can: `SEND_ZC`, Linux 6.2.
    pub zero_copy_sends: Option<ZeroCopySends>,
    /// Kinds of operations that are left alone as if the kernel did not know them. For tests of what stands in for them.
    pub masked: Vec<OpKind>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            entries: 1024,
            completion_entries: None,
            buffers: 256,
            buffer_size: 16 * 1024,
            spin: None,
            kernel_workers: None,
            busy_poll: None,
            zero_copy_sends: None,
            masked: Vec::new(),
        }
    }
}

impl Options {
    /// The entries of the completion queue that are asked for: never fewer than those of the submission queue,
    /// which the kernel would refuse.
    pub(crate) fn completion_queue(&self) -> u32 {
        self.completion_entries.unwrap_or(self.entries.saturating_mul(8)).max(self.submission_queue())
    }

    /// The entries of the submission queue that are asked for.
    pub(crate) fn submission_queue(&self) -> u32 {
        self.entries.max(1)
    }
}
