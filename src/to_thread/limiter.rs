//! How many threads a run uses at a time.

use crate::{lowlevel::RunVar, runtime::WaitQueue};
use std::{cell::Cell, rc::Rc, sync::LazyLock};

/// How many threads a run may use at a time.
const TOTAL: usize = 40;

static LIMITER: LazyLock<RunVar<Limiter>> = LazyLock::new(|| RunVar::new().with_default(Limiter::new));

/// The limiter of this run.
pub(super) fn current() -> Rc<Limiter> {
    LIMITER.get().expect("the limiter has a default")
}

/// Counts the threads that are lent. A loan that is given back goes to whoever has waited longest.
#[derive(Debug)]
pub(super) struct Limiter {
    borrowed: Cell<usize>,
    waiting: WaitQueue,
}

impl Limiter {
    fn new() -> Self {
        Self { borrowed: Cell::new(0), waiting: WaitQueue::new() }
    }

    /// Where those wait who got none. Whoever is notified has got one.
    pub(super) fn waiting(&self) -> &WaitQueue {
        &self.waiting
    }

    pub(super) fn try_borrow(&self) -> bool {
        let free = self.borrowed.get() < TOTAL;
        if free {
            self.borrowed.set(self.borrowed.get() + 1);
        }
        free
    }

    pub(super) fn give_back(&self) {
        if !self.waiting.notify_one() {
            // At a run's end its limiter may have gone before a function that was abandoned ends; then this is a new one.
            self.borrowed.set(self.borrowed.get().saturating_sub(1));
        }
    }
}
