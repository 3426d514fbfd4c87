//! What drivers count.

/// What a driver has counted since it was set up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DriverStatistics {
    /// Operations of kinds that threads do, of the kernel or of this process.
    pub punted: u64,
    /// Sends that went out of the caller's memory without a copy, or would have: see the next.
    pub zero_copy_sends: u64,
    /// Those among them that the kernel had to copy all the same.
    pub zero_copy_copied: u64,
}
