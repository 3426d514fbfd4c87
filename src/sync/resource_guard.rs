//! Telling two users of one thing apart.

use crate::error::{Error, Result};
use std::cell::Cell;

/// Sees to it that two tasks do not do at the same time what only one can. It is no lock: the second is refused.
///
/// ```
/// use anyio::{Error, sync::ResourceGuard};
///
/// let guard = ResourceGuard::new("reading from this stream");
/// let reading = guard.enter()?;
/// assert!(matches!(guard.enter(), Err(Error::BusyResource("reading from this stream"))));
/// drop(reading);
/// drop(guard.enter()?);
/// # anyio::Ok(())
/// ```
#[derive(Debug)]
pub struct ResourceGuard {
    doing: &'static str,
    entered: Cell<bool>,
}

impl ResourceGuard {
    /// A guard for what the text says, in the error: "another task is already *reading from this stream*".
    pub const fn new(doing: &'static str) -> Self {
        Self { doing, entered: Cell::new(false) }
    }

    /// Begins what is guarded; it goes on until the result is dropped.
    ///
    /// # Errors
    /// [`Error::BusyResource`] if it goes on already.
    pub fn enter(&self) -> Result<ResourceInUse<'_>> {
        if self.entered.replace(true) {
            return Err(Error::BusyResource(self.doing));
        }
        Ok(ResourceInUse(self))
    }
}

/// What a [`ResourceGuard`] guards goes on as long as this lives.
#[derive(Debug)]
#[must_use = "the guarded use ends when this is dropped"]
pub struct ResourceInUse<'a>(&'a ResourceGuard);

impl Drop for ResourceInUse<'_> {
    fn drop(&mut self) {
        self.0.entered.set(false);
    }
}
