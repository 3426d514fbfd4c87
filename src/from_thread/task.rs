//! A task in a portal, as other threads see it.

use crate::{
    error::{Error, Result},
    runtime::dispose_of,
    scope::RemoteScope,
    to_thread::{
        reply::{Answer, NoAnswer, Reply},
        request::value_of,
    },
};
use std::{
    fmt, io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A task that was started through a [`BlockingPortal`](super::BlockingPortal), to be waited for on any thread.
///
/// Dropping it leaves the task to the portal. A panic of such a task, which nobody would hear of, then ends the portal; one
/// that has happened before is logged.
#[must_use = "the task goes on without it, but nobody hears what comes of it"]
pub struct PortalTask<T> {
    reply: Reply<T>,
    control: Arc<Control>,
}

/// How a task is cancelled, and whether it has ended.
#[derive(Debug, Default)]
pub(super) struct Control(Mutex<Phase>);

#[derive(Debug, Default)]
enum Phase {
    #[default]
    Before,
    /// It was given up before it began.
    GivenUp,
    Running(RemoteScope),
    Over,
}

impl Control {
    fn phase(&self) -> MutexGuard<'_, Phase> {
        // Only moves happen under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that the task begins, in this scope. False if it is not wanted any more.
    pub(super) fn begin(&self, scope: RemoteScope) -> bool {
        let mut phase = self.phase();
        if matches!(*phase, Phase::Before) {
            *phase = Phase::Running(scope);
        }
        matches!(*phase, Phase::Running(_))
    }

    #[track_caller]
    fn cancel(&self) {
        let scope = match &mut *self.phase() {
            before @ Phase::Before => {
                *before = Phase::GivenUp;
                return;
            }
            Phase::Running(scope) => scope.clone(),
            Phase::GivenUp | Phase::Over => return,
        };
        scope.cancel();
    }
}

/// Says that the task is over when it is dropped.
pub(super) struct Ending(pub(super) Arc<Control>);

impl Drop for Ending {
    fn drop(&mut self) {
        *self.0.phase() = Phase::Over;
    }
}

impl<T> PortalTask<T> {
    pub(super) fn new(reply: Reply<T>, control: Arc<Control>) -> Self {
        Self { reply, control }
    }

    /// Waits until the task has ended, and gives what it gives.
    ///
    /// # Errors
    /// [`Error::BrokenResource`] if the task never ended by itself: it was cancelled before it began, or the run of its
    /// portal ended in disorder. A task that is cancelled later answers for itself, as its own value says.
    ///
    /// # Panics
    /// If the task did, with its panic. On the portal's own thread, unless the task has ended: the thread would wait for itself.
    #[track_caller]
    pub fn wait(self) -> Result<T> {
        self.reply.wait().map(value_of).ok_or_else(given_up)
    }

    /// The same for a destructor: a panic is a value, too. `None` if the task never ended by itself.
    #[track_caller]
    pub(super) fn wait_for_answer(&self) -> Option<Answer<T>> {
        self.reply.wait()
    }

    /// The same, but waits no longer than this; then the task itself comes back.
    ///
    /// # Errors
    /// As for [`wait`](Self::wait).
    ///
    /// # Panics
    /// As for [`wait`](Self::wait), but with a limit of zero also the portal's own thread may look.
    #[track_caller]
    pub fn wait_timeout(self, limit: Duration) -> Result<std::result::Result<T, Self>> {
        match self.reply.wait_for(limit) {
            Ok(answer) => Ok(Ok(value_of(answer))),
            Err(NoAnswer::TimedOut) => Ok(Err(self)),
            Err(NoAnswer::Over) => Err(given_up()),
        }
    }

    /// Cancels the task: one that has not begun never will, another gets the cancellation where it waits. Does nothing if
    /// it has ended. It works also while the portal is being stopped.
    #[track_caller]
    pub fn cancel(&self) {
        self.control.cancel();
    }

    /// Whether the task has ended.
    pub fn is_done(&self) -> bool {
        matches!(*self.control.phase(), Phase::Over)
    }
}

impl<T> Drop for PortalTask<T> {
    fn drop(&mut self) {
        // One that comes later ends the portal.
        if let Some(Err(payload)) = self.reply.close() {
            log::error!("a task in a portal panicked, and nobody has waited for it");
            dispose_of(payload);
        }
    }
}

/// The error of a task that has no answer.
pub(super) fn given_up() -> Error {
    Error::BrokenResource(io::Error::other("the task was cancelled before it began, or lost with its run"))
}

impl<T> fmt::Debug for PortalTask<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortalTask").field("is_done", &self.is_done()).finish_non_exhaustive()
    }
}
