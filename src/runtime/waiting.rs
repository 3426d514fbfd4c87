//! Who waits until something happens: the driver, or a host in its place.

use super::Core;
use anyio_driver::Wait;
use std::io;

/// Takes a run's turns. What is written for it serves runs that have a thread to themselves, where none of its futures is ever
/// pending, and guests of a host.
pub(crate) trait Waiting {
    /// Takes a turn that waits as long as `wait` says; see `Core::turn_driver`. It may end early.
    ///
    /// # Errors
    /// If the driver, or the host, is beyond use.
    async fn turn(&mut self, core: &Core, wait: Wait, watched: bool) -> io::Result<bool>;

    /// Whether nothing else goes on in this thread that could use the run.
    fn is_alone(&self) -> bool;
}

/// The driver waits, and keeps the thread meanwhile.
pub(crate) struct Blocking;

impl Waiting for Blocking {
    #[inline]
    async fn turn(&mut self, core: &Core, wait: Wait, watched: bool) -> io::Result<bool> {
        core.turn_driver(wait, watched)
    }

    fn is_alone(&self) -> bool {
        true
    }
}
