//! Whether a sender is open, and who is just using it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The state of one sender: whether it was closed, and how many calls on any threads are putting items into the queue.
/// It counts as closed for the channel when both are over, so no item comes after the end of the stream.
#[derive(Debug, Default)]
pub(super) struct Handle(AtomicUsize);

/// Set when closed; below it the calls are counted.
const CLOSED: usize = 1 << (usize::BITS - 1);

impl Handle {
    /// One that is closed from the beginning, and has ended.
    pub(super) fn closed() -> Self {
        Self(AtomicUsize::new(CLOSED))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.0.load(Ordering::SeqCst) & CLOSED != 0
    }

    /// Begins a call; false if closed. After a call that was let in [`leave`](Self::leave) is called.
    pub(super) fn enter(&self) -> bool {
        let entered = |state| (state & CLOSED == 0).then_some(state + 1);
        self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, entered).is_ok()
    }

    /// Ends a call. True if the handle has ended with it.
    #[must_use]
    pub(super) fn leave(&self) -> bool {
        self.0.fetch_sub(1, Ordering::SeqCst) == CLOSED + 1
    }

    /// Closes the handle.
    pub(super) fn close(&self) -> Closing {
        match self.0.fetch_or(CLOSED, Ordering::SeqCst) {
            0 => Closing::Ended,
            before if before & CLOSED != 0 => Closing::Already,
            _ => Closing::InUse,
        }
    }
}

/// What closing a handle found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Closing {
    /// It has ended.
    Ended,
    /// It ends with the last call on it.
    InUse,
    /// It was closed before.
    Already,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_ends_once_when_it_is_closed_and_not_in_use() {
        let handle = Handle::default();
        assert!(handle.enter() && !handle.leave());
        assert_eq!(handle.close(), Closing::Ended);
        assert_eq!(handle.close(), Closing::Already);
        assert!(!handle.enter());
        let handle = Handle::default();
        assert!(handle.enter() && handle.enter());
        assert_eq!(handle.close(), Closing::InUse);
        assert_eq!(handle.close(), Closing::Already);
        assert!(!handle.leave() && handle.leave());
        assert!(!Handle::closed().enter());
    }
}
