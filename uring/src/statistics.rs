//! What a driver counts about itself.

/// What a [`UringDriver`](crate::UringDriver) has counted since it was set up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Completions of operations the driver does not know (any more). Always 0 unless there is a bug.
    pub stale_completions: u64,
    /// Requests to cancel that were repeated because the kernel had not found an operation that was alive.
    pub cancel_retries: u64,
    /// Receives that ended because the kernel had no buffer to choose.
    pub buffer_shortages: u64,
    /// Calls of `io_uring_enter`.
    pub enters: u64,
}
