//! What reaches a driver from other threads: results of their jobs, and calls to wake up.

use anyio_driver::{Token, Unpark};
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};

/// The part of a driver that other threads hold.
pub(crate) struct Outcomes {
    waker: mio::Waker,
    /// Whether the waker has been used since the driver last looked, so that many calls cost one system call.
    called: AtomicBool,
    results: Mutex<Vec<(Token, i32)>>,
    /// Whether there are results; spares the driver the lock.
    any: AtomicBool,
}

impl Outcomes {
    pub(crate) fn new(waker: mio::Waker) -> Self {
        Self { waker, called: AtomicBool::new(false), results: Mutex::default(), any: AtomicBool::new(false) }
    }

    /// Hands in the result of a job and wakes the driver.
    pub(crate) fn push(&self, token: Token, result: i32) {
        self.results.lock().unwrap_or_else(PoisonError::into_inner).push((token, result));
        self.any.store(true, Ordering::Release);
        self.unpark();
    }

    /// Moves what has been handed in to the end of `results`.
    #[inline]
    pub(crate) fn collect(&self, results: &mut Vec<(Token, i32)>) {
        // Cleared before the list is emptied: a result that comes in between is found by the next collection.
        if self.any.load(Ordering::Acquire) && self.any.swap(false, Ordering::AcqRel) {
            results.append(&mut self.results.lock().unwrap_or_else(PoisonError::into_inner));
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
            // The only failure there is, a full counter, means that the driver is being woken anyway.
            let _ = self.waker.wake();
        }
    }
}
