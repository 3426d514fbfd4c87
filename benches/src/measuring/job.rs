//! What peers do for the rows of a workload.

use super::stopwatch::Measured;

/// Does a row's work for one peer.
pub(crate) type Job = fn(&Order) -> anyhow::Result<Measured>;

/// How much of it is to be done, and where.
pub(crate) struct Order {
    pub(crate) operations: u64,
    /// The processor for a second thread, if the job needs one.
    pub(crate) other_core: usize,
}
