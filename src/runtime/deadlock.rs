//! The end of a run in which nothing will ever happen.

use super::task_info::{TaskId, TaskInfo};
use std::{collections::HashMap, error::Error, fmt};

/// So many tasks are told of in the message.
const MOST_TOLD: usize = 100;

/// Why a run with a [virtual clock](crate::Clock::Virtual) was given up: all its tasks wait, none of them for a time, and
/// nothing comes from outside.
///
/// [`Builder::run`](crate::Builder::run) gives it within an [`io::Error`](std::io::Error) of the kind
/// [`Deadlock`](std::io::ErrorKind::Deadlock); a test fails with its text.
///
/// ```
/// use anyio::{Builder, Clock, sync::Event, testing::{Deadlock, WaitReason}};
///
/// let error = Builder::new().clock(Clock::Virtual).run(async || Event::new().wait().await).unwrap_err();
/// let deadlock = error.get_ref().and_then(|inner| inner.downcast_ref::<Deadlock>()).unwrap();
/// assert_eq!(deadlock.tasks()[0].waits, [WaitReason::Event]);
/// ```
#[derive(Debug, Clone)]
pub struct Deadlock {
    tasks: Vec<TaskInfo>,
    certain: bool,
}

impl Deadlock {
    pub(super) fn new(tasks: Vec<TaskInfo>, certain: bool) -> Self {
        Self { tasks, certain }
    }

    /// The tasks of the run, parents before their children, with what they waited for.
    pub fn tasks(&self) -> &[TaskInfo] {
        &self.tasks
    }

    /// Whether only the run's own tasks could have ended these waits. Otherwise some of them were for something that may
    /// come from outside (a socket, another thread), but nothing has come for as long as
    /// [`Builder::deadlock_timeout`](crate::Builder::deadlock_timeout) says.
    pub fn is_certain(&self) -> bool {
        self.certain
    }
}

impl fmt::Display for Deadlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.certain {
            "deadlock: every task waits for what only another task could do"
        } else {
            "deadlock: every task waits, none for a time, and nothing has come from outside"
        })?;
        let mut depths: HashMap<TaskId, usize> = HashMap::new();
        for task in self.tasks.iter().take(MOST_TOLD) {
            let depth = task.parent.and_then(|parent| depths.get(&parent)).map_or(1, |depth| depth + 1);
            depths.insert(task.id, depth);
            write!(f, "\n{:indent$}{task}", "", indent = 2 * depth)?;
        }
        match self.tasks.len().saturating_sub(MOST_TOLD) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} tasks more"),
        }
    }
}

impl Error for Deadlock {}
