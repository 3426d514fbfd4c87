//! Waiting until nothing moves.

use crate::{
    error::Cancelled,
    runtime::{Core, WaitReason, Waiter},
};
use std::future::poll_fn;

/// Waits until every other task of the run waits for something that has not happened.
///
/// A task that was woken, or cancelled, and has not run yet does not count as waiting. Sleeping does, and so does waiting
/// for the operating system: an answer of the kernel that is on its way is not seen until it is there. When several tasks
/// call this they do not wait for each other.
///
/// ```
/// use anyio::{Result, sync::Event, task_group, testing::wait_all_tasks_blocked};
///
/// # anyio::run(async || -> Result<()> {
/// let event = Event::new();
/// task_group(async |tg| -> Result<()> {
///     tg.start_soon(async {
///         event.wait().await?;
///         anyio::Ok(())
///     });
///     wait_all_tasks_blocked().await?;
///     assert_eq!(event.statistics().tasks_waiting, 1);
///     event.set();
///     Ok(())
/// })
/// .await?;
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// [`Cancelled`] if the scope is cancelled.
///
/// # Cancel safety
/// Nothing is lost.
pub async fn wait_all_tasks_blocked() -> Result<(), Cancelled> {
    let mut wait = Idle(Waiter::new(WaitReason::AllTasksBlocked));
    poll_fn(|cx| {
        Core::with(|core| {
            if !wait.0.is_waiting() && core.reach_checkpoint() {
                return core.poll_delivery(cx).map(|()| Err(Cancelled::new()));
            }
            wait.0.poll(core, core.idle(), cx).map(|woken| woken.map(drop))
        })
    })
    .await
}

struct Idle(Waiter);

impl Drop for Idle {
    fn drop(&mut self) {
        // Nobody else was meant by its notification.
        Core::try_with(|core| self.0.withdraw(core.idle()));
    }
}
