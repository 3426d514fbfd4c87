//! Event loops of others that runs can share a thread with.

use std::{io, time::Instant};

/// Another event loop, in whose thread a run goes on as a future: see [`Builder::run_as_guest`](crate::Builder::run_as_guest).
/// The package `anyio-tokio` has that of tokio.
#[expect(async_fn_in_trait, reason = "everything stays on its thread, so no `Send` is missing")]
pub trait Host {
    /// Waits until the descriptor that the host was given has been reported as readable since the last call ended, or until the
    /// deadline. It may end early, and is dropped when something else comes first.
    ///
    /// # Errors
    /// If the host is beyond use; the run ends with the error.
    async fn wait(&mut self, deadline: Option<Instant>) -> io::Result<()>;

    /// Lets the other tasks of the thread go on, and is ready soon.
    async fn give_way(&mut self);

    /// Whether nothing else goes on in the thread that could use what belongs to the run. Only then a run with a
    /// [virtual clock](crate::Clock::Virtual) can be certain that nothing will ever happen.
    fn is_alone(&self) -> bool {
        false
    }
}
