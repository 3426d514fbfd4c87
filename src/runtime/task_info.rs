//! Which tasks a run has, and what they wait for.

use super::{Core, Scope, ready_queue::ReadyQueue, wait_reason::WaitReason, waker::TaskKey};
use std::{collections::HashMap, fmt, panic::Location, ptr};

/// Names a task, as long as it lives, within its run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TaskId(TaskKey);

impl TaskId {
    pub(super) fn of(task: TaskKey) -> Self {
        Self(task)
    }

    /// The name as a number, for what shows it. Numbers are given again when their tasks have ended.
    pub fn number(self) -> u64 {
        self.0.to_bits()
    }
}

/// What a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskKind {
    /// The future that was given to the run.
    Main,
    /// The body of a task group.
    GroupBody,
    /// A child of a task group.
    Child,
}

impl TaskKind {
    #[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "spans have it"))]
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::GroupBody => "group",
            Self::Child => "task",
        }
    }
}

/// A task of a run. See [`running_tasks`](crate::testing::running_tasks).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskInfo {
    /// The task's name for machines.
    pub id: TaskId,
    /// In which task its group lives. `None` for the main task, and if the group is polled by a combinator that is not
    /// anyio's and gives its futures wakers of their own.
    pub parent: Option<TaskId>,
    /// What the task is.
    pub kind: TaskKind,
    /// The name that a child was [given](crate::TaskHandle::named).
    pub name: Option<String>,
    /// Where a child was started.
    pub location: Option<&'static Location<'static>>,
    /// Whether a cancellation reaches to where the task waits: its next checkpoint gives [`Cancelled`](crate::Cancelled) then. One
    /// that is kept off by a shield does not count. For a task that waits for nothing its own scope tells, and if it is not
    /// a child, nothing does.
    pub has_pending_cancellation: bool,
    /// Whether the task is in a scope that is [finishing](crate::Scope::finish), told in the same way.
    pub is_finishing: bool,
    /// What the task waits for: several things if it waits for the first of them, none if it is ready or running.
    pub waits: Vec<WaitReason>,
}

impl fmt::Display for TaskInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TaskKind::Main => f.write_str("the main task")?,
            TaskKind::GroupBody => f.write_str("the body of the task group")?,
            TaskKind::Child => f.write_str("task")?,
        }
        if let Some(name) = &self.name {
            write!(f, " \"{name}\"")?;
        }
        if let Some(location) = self.location {
            write!(f, " started at {location}")?;
        }
        if self.is_finishing {
            f.write_str(", finishing")?;
        }
        // In the order in which they began, each once.
        let mut kinds: Vec<(WaitReason, usize)> = Vec::new();
        for &wait in &self.waits {
            match kinds.iter_mut().find(|(kind, _)| *kind == wait) {
                Some((_, count)) => *count += 1,
                None => kinds.push((wait, 1)),
            }
        }
        for (place, (wait, count)) in kinds.into_iter().enumerate() {
            write!(f, "{} {wait}", if place == 0 { ", waiting for" } else { " or" })?;
            if count > 1 {
                write!(f, " ({count} times)")?;
            }
        }
        Ok(())
    }
}

impl TaskInfo {
    /// The task that is being polled.
    pub(crate) fn current(core: &Core) -> Option<Self> {
        Self::of(core, core.task()?)
    }

    /// A task of this executor, if it has not ended.
    pub(crate) fn of(core: &Core, task: TaskKey) -> Option<Self> {
        Self::of_all(core).into_iter().find(|info| info.id == TaskId(task))
    }

    /// The tasks of this executor, parents before their children.
    pub(crate) fn of_all(core: &Core) -> Vec<Self> {
        let mut found = Found::default();
        // SAFETY: nothing runs between the table's promise that these tasks live and what is done here.
        core.tasks().for_each(|task, group, child| unsafe { found.add(core, task, group, child) });
        found.add_waits(core);
        parents_first(found.tasks)
    }
}

/// The tasks while they are being looked for.
#[derive(Default)]
struct Found {
    tasks: Vec<TaskInfo>,
    places: HashMap<u64, usize>,
    /// Which task a scope is the own one of.
    scopes: HashMap<*const Scope, usize>,
    hosts: Vec<TaskKey>,
}

impl Found {
    /// # Safety
    /// The pointers are what the table has of a living task.
    unsafe fn add(&mut self, core: &Core, task: TaskKey, group: *const ReadyQueue, child: *const ()) {
        let mut info = TaskInfo {
            id: TaskId(task),
            parent: None,
            kind: if child.is_null() { TaskKind::GroupBody } else { TaskKind::Child },
            name: None,
            location: None,
            has_pending_cancellation: false,
            is_finishing: false,
            waits: Vec::new(),
        };
        // SAFETY: the task lives, and so does its group.
        let group = unsafe { group.as_ref() };
        match group.map(ReadyQueue::host_task) {
            None => info.kind = TaskKind::Main,
            Some(Some(host)) if host.executor() == core.id() => {
                info.parent = Some(TaskId(host));
                self.hosts.push(host);
            }
            Some(_) => {}
        }
        if let Some(group) = group.filter(|_| !child.is_null()) {
            // SAFETY: the task lives, and is that child of that group.
            let described = unsafe { group.describe(child) };
            info.name = described.name;
            info.location = Some(described.location);
            // SAFETY: the scope is a part of the child, which lives.
            let scope = unsafe { &*described.scope };
            info.has_pending_cancellation = scope.is_effective();
            info.is_finishing = scope.is_finishing();
            self.scopes.insert(described.scope, self.tasks.len());
        }
        self.places.insert(task.to_bits(), self.tasks.len());
        self.tasks.push(info);
    }

    fn add_waits(&mut self, core: &Core) {
        core.waits().for_each_waiting(|reason, waker, scope| {
            let place = match waker.task() {
                Some(task) => self.places.get(&task.to_bits()).copied(),
                // Between the wait and its task is a combinator; the scope tells whose it is.
                None => scope.and_then(|scope| self.task_of(scope)),
            };
            if let Some(place) = place {
                let task = &mut self.tasks[place];
                if let Some(scope) = scope {
                    let is_first = task.waits.is_empty();
                    let of_others = |told: bool| !is_first && told;
                    task.has_pending_cancellation =
                        of_others(task.has_pending_cancellation) || scope.is_effective();
                    task.is_finishing = of_others(task.is_finishing) || scope.is_finishing();
                }
                task.waits.push(reason);
            }
        });
        for host in std::mem::take(&mut self.hosts) {
            if let Some(&place) = self.places.get(&host.to_bits()) {
                let waits = &mut self.tasks[place].waits;
                if !waits.contains(&WaitReason::TaskGroup) {
                    waits.push(WaitReason::TaskGroup);
                }
            }
        }
        for task in &mut self.tasks {
            let is_current = core.task() == Some(task.id.0);
            let is_ready =
                core.tasks().is_ready(task.id.0) || task.kind == TaskKind::Main && core.is_main_ready();
            if is_current {
                task.has_pending_cancellation = core.scope_is_effective();
                task.is_finishing = core.scope_is_finishing();
            }
            if is_current || is_ready {
                task.waits.clear();
            } else if task.waits.is_empty() {
                task.waits.push(WaitReason::Foreign);
            }
        }
    }

    fn task_of(&self, scope: &Scope) -> Option<usize> {
        let own = scope.and_those_around().find_map(|scope| self.scopes.get(&ptr::from_ref(scope)).copied());
        own.or_else(|| self.tasks.iter().position(|task| task.kind == TaskKind::Main))
    }
}

fn parents_first(tasks: Vec<TaskInfo>) -> Vec<TaskInfo> {
    let known: std::collections::HashSet<TaskId> = tasks.iter().map(|task| task.id).collect();
    let mut children: HashMap<Option<TaskId>, Vec<TaskInfo>> = HashMap::new();
    for task in tasks {
        children.entry(task.parent.filter(|parent| known.contains(parent))).or_default().push(task);
    }
    let mut sorted = Vec::new();
    // The last is next.
    let mut next: Vec<TaskInfo> = children.remove(&None).unwrap_or_default();
    next.reverse();
    while let Some(task) = next.pop() {
        next.extend(children.remove(&Some(task.id)).unwrap_or_default().into_iter().rev());
        sorted.push(task);
    }
    sorted
}
