//! Task groups.

mod calling_now;
mod cancelling;
mod children;
mod dropping;
mod fairness;
mod gathering;
mod panics;
mod starting_now;

use anyio::{Result, sleep_forever};
use std::{cell::RefCell, time::Duration};

pub(crate) const LONG: Duration = Duration::from_secs(3600);

pub(crate) const SHORT: Duration = Duration::from_millis(2);

pub(crate) async fn forever() -> Result<()> {
    Err(sleep_forever().await.into())
}

pub(crate) async fn panics(text: &'static str) -> Result<()> {
    std::panic::panic_any(text)
}

/// Says by name when it is dropped.
pub(crate) struct Dropped<'a>(pub(crate) &'a RefCell<Vec<&'static str>>, pub(crate) &'static str);

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().push(self.1);
    }
}
