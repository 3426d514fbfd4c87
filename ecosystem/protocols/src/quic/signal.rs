//! News that several may wait for.

use anyio::{Result, sync::Event};
use std::{cell::RefCell, rc::Rc};

/// Tells all who wait that something has changed.
#[derive(Default)]
pub(super) struct Signal(RefCell<Rc<Event>>);

impl Signal {
    /// Wakes all who wait.
    pub(super) fn notify(&self) {
        self.0.take().set();
    }

    /// Waits for the next news.
    pub(super) async fn wait(&self) -> Result<()> {
        let event = self.0.borrow().clone();
        event.wait().await?;
        Ok(())
    }
}
