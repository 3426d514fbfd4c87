//! The call that a worker thread works for.

use super::request::Request;
use crate::lowlevel::RunToken;
use std::{cell::RefCell, sync::Arc};

/// The waiting side of a [`to_thread::run_sync`](crate::to_thread::run_sync), as the worker thread sees it.
pub(crate) trait Host: Send + Sync {
    /// Has the waiting task do something. The request comes back if nobody waits any more.
    fn ask(&self, request: Request) -> Result<(), Request>;

    /// Whether the scope of the waiting task was cancelled, or nobody waits any more.
    fn is_cancelled(&self) -> bool;

    /// Whose task it is.
    fn run(&self) -> RunToken;

    /// Whether it still waits.
    fn is_awaited(&self) -> bool;
}

thread_local! {
    static HOST: RefCell<Option<Arc<dyn Host>>> = const { RefCell::new(None) };
}

/// Whom the current function works for.
pub(crate) fn current() -> Option<Arc<dyn Host>> {
    // Not during the end of a thread, when its variables are gone.
    HOST.try_with(|host| host.borrow().clone()).ok().flatten()
}

/// Whether a task of this run waits for the current function.
pub(crate) fn is_awaited_by(run: RunToken) -> bool {
    current().is_some_and(|host| host.run() == run && host.is_awaited())
}

/// Says whom this thread works for, until this is dropped.
pub(crate) struct Working(Option<Arc<dyn Host>>);

impl Working {
    pub(crate) fn for_host(host: Arc<dyn Host>) -> Self {
        Self(HOST.replace(Some(host)))
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let before = self.0.take();
        // What was there goes after the borrow has ended.
        drop(HOST.try_with(|host| host.replace(before)));
    }
}
