//! How a driver is set up.

use std::num::NonZeroUsize;

/// How a [`PollDriver`](crate::PollDriver) is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The greatest number of threads for operations on files and paths, or `None` for the threads that all
    /// drivers of the process share: at most four for each processor, and at least eight.
    pub threads: Option<NonZeroUsize>,
    /// The size in bytes of the buffers for received data, 16 KiB by default.
    pub buffer_size: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { threads: None, buffer_size: 16 * 1024 }
    }
}
