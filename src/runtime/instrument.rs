//! Who is told of each step of a run, and of what.

use super::{TaskId, TaskKind};
use crate::error::CancelReason;
use std::panic::Location;

/// Is told what a run does, step by step: given to it by [`Builder::instrument`](crate::Builder::instrument).
///
/// All is told on the run's thread. A method may do what any synchronous code in a task may: start children, cancel scopes, set
/// events. What it brings about by that is not told to the same instrument. One that panics is not called any more in its run,
/// which goes on; the log has it as an error. A method that takes long keeps the whole run waiting.
///
/// The polls of tasks lie within each other, as a group polls its children. So that no time counts twice, the outer task is told to
/// be [paused](Self::poll_paused) meanwhile.
///
/// ```
/// use anyio::{Builder, lowlevel::{Instrument, TaskStart}, task_group};
/// use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
///
/// struct Counts(Arc<AtomicU32>);
///
/// impl Instrument for Counts {
///     fn task_started(&self, _: &TaskStart) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
///
/// let started = Arc::new(AtomicU32::new(0));
/// let counter = started.clone();
/// let builder = Builder::new().instrument(move || Counts(counter.clone()));
/// builder.run(async || {
///     task_group(async |tg| {
///         tg.start_soon(async {});
///         anyio::Ok(())
///     })
///     .await
/// })??;
/// // The main task, the body of the group and its child.
/// assert_eq!(started.load(Ordering::Relaxed), 3);
/// # anyio::Ok(())
/// ```
pub trait Instrument {
    /// A task was started. It is polled later.
    fn task_started(&self, task: &TaskStart) {
        let _ = task;
    }

    /// A task was given a name, after it was started.
    fn task_named(&self, task: TaskId, name: &str) {
        let _ = (task, name);
    }

    /// A task is about to be polled, or to be dropped after its last poll.
    fn before_poll(&self, task: TaskId) {
        let _ = task;
    }

    /// The task is about to poll others, which are told of next.
    fn poll_paused(&self, task: TaskId) {
        let _ = task;
    }

    /// The task goes on after others that it has polled.
    fn poll_resumed(&self, task: TaskId) {
        let _ = task;
    }

    /// A poll has ended. If the task has, too, that was told before.
    fn after_poll(&self, task: TaskId) {
        let _ = task;
    }

    /// A task has ended. Its name may be given to another one from now on.
    fn task_ended(&self, task: TaskId, how: TaskEnd) {
        let _ = (task, how);
    }

    /// A scope was cancelled: by somebody, by its deadline or because a sibling has failed. What is within it is not told of.
    fn scope_cancelled(&self, cancelled: &ScopeCancelled) {
        let _ = cancelled;
    }

    /// The body of a scope with a [name](crate::CancelScope::named) has begun, in this task.
    fn scope_begun(&self, scope: ScopeId, name: &str, task: Option<TaskId>) {
        let _ = (scope, name, task);
    }

    /// The body of a scope with a name is about to be polled, within the poll of a task.
    fn before_scope_poll(&self, scope: ScopeId) {
        let _ = scope;
    }

    /// The poll of the body has ended.
    fn after_scope_poll(&self, scope: ScopeId) {
        let _ = scope;
    }

    /// The body is over.
    fn scope_ended(&self, scope: ScopeId) {
        let _ = scope;
    }

    /// All tasks that were ready have been polled: the driver is asked for news next, and may wait for them.
    fn turn_ended(&self) {}

    /// The driver has come back, and those are woken for whom it has brought news.
    fn turn_begun(&self) {}
}

/// A task that was started: see [`Instrument::task_started`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskStart {
    /// The task's name for machines, as long as it lives.
    pub id: TaskId,
    /// What the task is.
    pub kind: TaskKind,
    /// In which task its group lives, as in [`TaskInfo`](crate::testing::TaskInfo).
    pub parent: Option<TaskId>,
    /// Which task has started it; `None` outside of the polls of tasks.
    pub started_by: Option<TaskId>,
    /// Where a child was started.
    pub location: Option<&'static Location<'static>>,
}

/// How a task has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskEnd {
    /// With a value. Whatever the main task gives is one.
    Finished,
    /// With an error.
    Failed,
    /// With a cancellation that reached it.
    Cancelled,
    /// With a panic.
    Panicked,
    /// It was dropped before it had ended.
    Dropped,
}

/// Names a scope that has a name, within its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ScopeId(pub(super) u64);

/// A scope that was cancelled: see [`Instrument::scope_cancelled`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScopeCancelled {
    /// Why, and where in the source.
    pub reason: CancelReason,
    /// In which task the scope lies. `None` if that is not known.
    pub task: Option<TaskId>,
    /// The scope, if it has a name, or else the innermost one around it in its task that has.
    pub scope: Option<ScopeId>,
    /// In the poll of which task it was cancelled; `None` if by the run, as deadlines do.
    pub cancelled_by: Option<TaskId>,
}
