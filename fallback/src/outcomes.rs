//! What reaches a driver from other threads: results of their jobs, and calls to wake up.

use anyio_driver::{Token, Unpark, Unparker};
use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// How a driver is woken.
pub(crate) enum Wake {
    /// One that waits for readiness.
    Selector(mio::Waker),
    /// One of another kind.
    Driver(Unparker),
}

impl Wake {
    fn wake(&self) {
        match self {
            // The only failure there is, a full counter, means that the driver is being woken anyway.
            Self::Selector(waker) => drop(waker.wake()),
            Self::Driver(unparker) => unparker.unpark(),
        }
    }
}

/// The part of a driver that other threads hold.
pub(crate) struct Outcomes {
    wake: Wake,
    /// Whether the waker has been used since the driver last looked, so that many calls cost one system call.
    called: AtomicBool,
    results: Mutex<Results>,
    /// Whether there are results; spares the driver the lock.
    any: AtomicBool,
}

#[derive(Default)]
struct Results {
    list: Vec<(Token, i32)>,
    /// Whether the driver is gone, so that nobody takes results any more.
    ended: bool,
}

impl Outcomes {
    fn results(&self) -> MutexGuard<'_, Results> {
        self.results.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn new(wake: Wake) -> Self {
        Self { wake, called: AtomicBool::new(false), results: Mutex::default(), any: AtomicBool::new(false) }
    }

    /// Hands in the result of a job and wakes the driver. False if that is gone.
    pub(crate) fn push(&self, token: Token, result: i32) -> bool {
        let mut results = self.results();
        if results.ended {
            return false;
        }
        results.list.push((token, result));
        drop(results);
        self.any.store(true, Ordering::Release);
        self.unpark();
        true
    }

    /// Takes no more results; gives those that were not collected.
    pub(crate) fn end(&self) -> Vec<(Token, i32)> {
        let mut results = self.results();
        results.ended = true;
        std::mem::take(&mut results.list)
    }

    /// Moves what has been handed in to the end of `results`.
    #[inline]
    pub(crate) fn collect(&self, results: &mut Vec<(Token, i32)>) {
        // Cleared before the list is emptied: a result that comes in between is found by the next collection.
        if self.any.load(Ordering::Acquire) && self.any.swap(false, Ordering::AcqRel) {
            results.append(&mut self.results().list);
        }
    }

    /// Notes that the driver has woken up. What was written before a call that this answers is visible to the
    /// driver afterwards.
    pub(crate) fn heard(&self) {
        self.called.swap(false, Ordering::AcqRel);
    }
}

impl Unpark for Outcomes {
    fn unpark(&self) {
        if !self.called.swap(true, Ordering::AcqRel) {
            self.wake.wake();
        }
    }
}
