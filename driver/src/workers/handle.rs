//! Taking a job back.

use super::pool::Inner;
use std::{fmt, sync::Arc};

/// Names a job that was submitted to a [`WorkerPool`](super::WorkerPool). Dropping it changes nothing.
pub struct JobHandle {
    pool: Arc<Inner>,
    number: u64,
}

impl JobHandle {
    pub(super) fn new(pool: Arc<Inner>, number: u64) -> Self {
        Self { pool, number }
    }

    /// Takes the job out of the queue and drops it, if no thread has taken it yet. Says whether it did: after
    /// `true` the job has not run and never will.
    pub fn try_remove(&self) -> bool {
        // The job is dropped here, after the pool's lock has been given back.
        self.pool.take_back(self.number).is_some()
    }
}

impl fmt::Debug for JobHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JobHandle").field(&self.number).finish()
    }
}
