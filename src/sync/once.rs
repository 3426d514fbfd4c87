//! Something that is done once.

use super::OnceCell;
use crate::error::Cancelled;

/// Something that the first who needs it does, while others wait until it is done. What comes out of it is kept in a
/// [`OnceCell`].
///
/// ```
/// use anyio::{Result, sync::Once};
///
/// # anyio::run(async || -> Result<()> {
/// let prepared = Once::new();
/// let mut count = 0;
/// for _ in 0..2 {
///     prepared
///         .call(async || -> Result<()> {
///             count += 1;
///             Ok(())
///         })
///         .await?;
/// }
/// assert_eq!(count, 1);
/// # Ok(()) }).unwrap();
/// ```
#[derive(Debug, Default)]
pub struct Once {
    done: OnceCell<()>,
}

/// How a [`Once`] stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct OnceStatistics {
    /// Whether it is done.
    pub completed: bool,
    /// How many tasks wait for another to do it.
    pub tasks_waiting: usize,
}

impl Once {
    /// Something that is not done.
    pub const fn new() -> Self {
        Self { done: OnceCell::new() }
    }

    /// Does it with `action`, unless it is done. If another task is just doing it, this waits for that; if the other fails,
    /// or is cancelled, the one who has waited longest tries next.
    ///
    /// # Errors
    /// What `action` gives. The cancellation of the scope while waiting for another task.
    ///
    /// # Cancel safety
    /// As that of `action`. Nothing is lost for others.
    ///
    /// # Panics
    /// If `action`, or what it polls, has the same thing done: it would wait for itself.
    pub async fn call<E: From<Cancelled>>(
        &self,
        action: impl AsyncFnOnce() -> Result<(), E>,
    ) -> Result<(), E> {
        self.done.get_or_try_init(action).await.copied()
    }

    /// Whether it is done.
    pub fn is_completed(&self) -> bool {
        self.done.get().is_some()
    }

    /// How it stands.
    pub fn statistics(&self) -> OnceStatistics {
        let cell = self.done.statistics();
        OnceStatistics { completed: cell.initialized, tasks_waiting: cell.tasks_waiting }
    }
}
