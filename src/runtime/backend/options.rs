//! What can be set of a back end.

use anyio_driver::OpKind;
use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

/// What users can set, for whichever driver it is.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) ring_entries: u32,
    pub(crate) receive_buffers: u16,
    pub(crate) receive_buffer_size: usize,
    pub(crate) spin: Option<Duration>,
    pub(crate) worker_threads: Option<NonZeroUsize>,
    pub(crate) kernel_workers: Option<NonZeroU32>,
    pub(crate) busy_poll: Option<Duration>,
    /// From how many bytes on.
    pub(crate) zero_copy_sends: Option<usize>,
    /// Kinds of operations that the ring is not to do itself.
    pub(crate) masked: Vec<OpKind>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ring_entries: 1024,
            receive_buffers: 256,
            receive_buffer_size: 16 * 1024,
            spin: None,
            worker_threads: None,
            kernel_workers: None,
            busy_poll: None,
            zero_copy_sends: None,
            masked: Vec::new(),
        }
    }
}
