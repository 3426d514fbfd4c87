//! Which run it is.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
};

/// Names one run of an executor in this process. What outlives its run is told apart by it from what belongs to a later
/// one. Not zero, so that an optional name of a wait fits into two registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct RunId(NonZeroU32);

impl RunId {
    /// As a number, which is not 0.
    pub(super) fn number(self) -> u32 {
        self.0.get()
    }

    /// One that no other run has had, as long as there are fewer than 2³².
    pub(super) fn next() -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        loop {
            let last = LAST.fetch_add(1, Ordering::Relaxed);
            if let Some(id) = NonZeroU32::new(last.wrapping_add(1)) {
                return Self(id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_runs_are_the_same() {
        assert_ne!(RunId::next(), RunId::next());
    }

    #[test]
    fn an_optional_id_takes_no_more_room() {
        assert_eq!(size_of::<Option<RunId>>(), 4);
    }
}
