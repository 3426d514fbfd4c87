//! What a run leaves to those who outlive it.
//!
//! A waiter may have been given something (a permit, the promise of an item) in a run that ended before the waiter's future
//! was polled again. The slot in which that was noted goes with the run, so it is noted here, until the future is dropped
//! and passes on what it was given. What is noted for a future that is forgotten stays.

use super::{RunId, WaitKey};
use std::{cell::RefCell, collections::HashMap};

thread_local! {
    /// The answers to waits of runs that are over.
    static ANSWERS: RefCell<HashMap<(RunId, u64), i32>> = RefCell::default();
}

/// Notes how a wait was answered whose run ends.
pub(super) fn leave(wait: WaitKey, answer: i32) {
    // At the thread's very end there is nobody any more to whom it would matter.
    let _ = ANSWERS.try_with(|answers| answers.borrow_mut().insert(name(wait), answer));
}

/// How a wait was answered in a run that is over, if it was. Tells that once.
pub(super) fn claim(wait: WaitKey) -> Option<i32> {
    ANSWERS.try_with(|answers| answers.borrow_mut().remove(&name(wait))).ok().flatten()
}

fn name(wait: WaitKey) -> (RunId, u64) {
    (wait.run(), wait.token().to_bits())
}
