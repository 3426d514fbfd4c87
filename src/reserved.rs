//! One task at a time.

use crate::error::{Error, Result};
use std::cell::Cell;

/// Says that one task uses one side of something, until it is dropped.
pub(crate) struct Reserved<'a>(&'a Cell<bool>);

impl<'a> Reserved<'a> {
    /// Reserves it for this task.
    ///
    /// # Errors
    /// [`Error::BusyResource`] if another has.
    #[inline]
    pub(crate) fn of(busy: &'a Cell<bool>, doing: &'static str) -> Result<Self> {
        if busy.replace(true) {
            return Err(Error::BusyResource(doing));
        }
        Ok(Self(busy))
    }
}

impl Drop for Reserved<'_> {
    #[inline]
    fn drop(&mut self) {
        self.0.set(false);
    }
}
