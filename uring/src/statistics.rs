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
    /// Operations of kinds that the kernel gives to its worker threads whatever they are about. Others may get there as
    /// well, such as reads that find nothing in the cache on some file systems; of those nobody tells.
    pub punted: u64,
    /// Sends that went without a copy, as far as this driver could see to it.
    pub zero_copy_sends: u64,
    /// Those among them that the kernel had to copy all the same.
    pub zero_copy_copied: u64,
    /// Sends without a copy that the kernel has refused, and that were made with one.
    pub zero_copy_refusals: u64,
}
