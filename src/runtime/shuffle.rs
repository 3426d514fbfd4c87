//! Which of the tasks that are ready comes next.

use std::cell::Cell;

/// So many tasks may overtake one that was woken before them, at a time.
const REACH: u64 = 8;

/// A sequence of picks by a seed, if there is one; else tasks go in the order in which they were woken.
#[derive(Debug)]
pub(crate) struct Shuffle(Cell<Option<u64>>);

impl Shuffle {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        Self(Cell::new(seed))
    }

    /// Whether tasks may be passed over.
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.0.get().is_some()
    }

    /// How many tasks are passed over, if any may be.
    #[inline]
    pub(super) fn pick(&self) -> Option<u32> {
        self.0.get().map(|state| self.advance(state))
    }

    /// An additive sequence with its bits mixed (splitmix64, by Sebastiano Vigna).
    #[cold]
    fn advance(&self, state: u64) -> u32 {
        let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(Some(state));
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        ((mixed ^ (mixed >> 31)) % REACH) as u32
    }
}
