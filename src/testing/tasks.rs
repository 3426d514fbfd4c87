//! Looking at the tasks of a run.

use crate::runtime::{Core, TaskInfo};

/// The tasks of this run that have not ended, parents before their children, and what they wait for.
///
/// A task that is ready, or runs, waits for nothing.
///
/// ```
/// use anyio::{Result, sync::Event, task_group, testing::{WaitReason, running_tasks, wait_all_tasks_blocked}};
///
/// # anyio::run(async || -> Result<()> {
/// let event = Event::new();
/// task_group(async |tg| -> Result<()> {
///     tg.start_soon(async { anyio::Ok(event.wait().await?) }).set_name("listener");
///     wait_all_tasks_blocked().await?;
///     let tasks = running_tasks();
///     let listener = tasks.iter().find(|task| task.name.as_deref() == Some("listener")).unwrap();
///     assert_eq!(listener.waits, [WaitReason::Event]);
///     event.set();
///     Ok(())
/// })
/// .await?;
/// # Ok(()) }).unwrap();
/// ```
///
/// # Panics
/// Outside of a run.
pub fn running_tasks() -> Vec<TaskInfo> {
    Core::with(TaskInfo::of_all)
}

/// The task that runs now.
///
/// # Panics
/// Outside of the tasks of a run.
pub fn current_task() -> TaskInfo {
    Core::with(|core| {
        TaskInfo::current(core).expect("the current task is asked for where no task is being polled")
    })
}
