//! What other threads have asked a portal for and it has not begun.

#[cfg(all(test, loom))]
mod interleavings;

use crate::{cross::Notifier, error::Cancelled};
use anyio_driver::synchronization::{Mutex, MutexGuard};
use std::{collections::VecDeque, sync::PoisonError};

/// A queue that any thread adds to, and from which one task takes.
pub(super) struct Jobs<J> {
    queue: Mutex<Queue<J>>,
    news: Notifier,
}

struct Queue<J> {
    waiting: VecDeque<J>,
    open: bool,
}

impl<J> Default for Jobs<J> {
    fn default() -> Self {
        let queue = Queue { waiting: VecDeque::new(), open: true };
        // By default, as models need it: made before other threads know of it.
        Self { queue: Mutex::new(queue), news: Notifier::default() }
    }
}

impl<J> Jobs<J> {
    fn queue(&self) -> MutexGuard<'_, Queue<J>> {
        // Only moves happen under the lock: what jobs hold belongs to users.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a job. Gives it back if none are taken any more.
    pub(super) fn push(&self, job: J) -> Result<(), J> {
        {
            let mut queue = self.queue();
            if !queue.open {
                return Err(job);
            }
            queue.waiting.push_back(job);
        }
        self.news.notify();
        Ok(())
    }

    /// Refuses new jobs. Those that are here are still taken.
    pub(super) fn close(&self) {
        self.queue().open = false;
        self.news.notify();
    }

    /// Refuses new jobs, and gives those that are here.
    pub(super) fn shut(&self) -> VecDeque<J> {
        self.close();
        std::mem::take(&mut self.queue().waiting)
    }

    /// Takes a job; without any, tells whether more may come.
    fn take(&self) -> Result<J, bool> {
        let mut queue = self.queue();
        queue.waiting.pop_front().ok_or(queue.open)
    }

    /// The next job, or `None` when there will be no more.
    ///
    /// # Errors
    /// A cancellation, only while there is none.
    pub(super) async fn next(&self) -> Result<Option<J>, Cancelled> {
        loop {
            match self.take() {
                Ok(job) => return Ok(Some(job)),
                Err(true) => self.news.wait().await?,
                Err(false) => return Ok(None),
            }
        }
    }
}
