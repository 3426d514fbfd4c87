//! What can be set of a back end.

use std::{num::NonZeroUsize, time::Duration};

/// What users can set, for whichever driver it is.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) ring_entries: u32,
    pub(crate) receive_buffers: u16,
    pub(crate) receive_buffer_size: usize,
    pub(crate) spin: Option<Duration>,
    pub(crate) worker_threads: Option<NonZeroUsize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ring_entries: 1024,
            receive_buffers: 256,
            receive_buffer_size: 16 * 1024,
            spin: None,
            worker_threads: None,
        }
    }
}
