//! Builds without the feature `chaos`.

/// Tasks go in the order in which they were woken.
#[derive(Debug)]
pub(crate) struct Shuffle;

impl Shuffle {
    pub(crate) fn new(_seed: Option<u64>) -> Self {
        Self
    }

    /// Nothing is to be picked.
    #[inline]
    pub(super) fn pick(&self) -> Option<u32> {
        None
    }
}
