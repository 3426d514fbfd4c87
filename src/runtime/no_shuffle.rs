//! Builds without the feature `chaos`.

/// Tasks go in the order in which they were woken.
#[derive(Debug)]
pub(crate) struct Shuffle;

impl Shuffle {
    pub(crate) fn new(_seed: Option<u64>) -> Self {
        Self
    }

    /// No task is passed over.
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        false
    }

    /// Nothing is to be picked.
    #[inline]
    pub(super) fn pick(&self) -> Option<u32> {
        None
    }
}
