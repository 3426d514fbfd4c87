//! What an instrument was told.

use anyio::{
    lowlevel::{Instrument, ScopeCancelled, ScopeId, TaskEnd, TaskStart},
    testing::TaskId,
};
use std::sync::{Arc, Mutex};

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Told {
    Started(TaskStart),
    Named(TaskId, String),
    Before(TaskId),
    Paused(TaskId),
    Resumed(TaskId),
    After(TaskId),
    Ended(TaskId, TaskEnd),
    Cancelled(ScopeCancelled),
    ScopeBegun(ScopeId, String),
    ScopeEnded(ScopeId),
    TurnEnded,
    TurnBegun,
}

#[derive(Clone, Default)]
pub(crate) struct Records(Arc<Mutex<Vec<Told>>>);

impl Records {
    fn add(&self, told: Told) {
        self.0.lock().unwrap().push(told);
    }

    pub(crate) fn take(&self) -> Vec<Told> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Instrument for Records {
    fn task_started(&self, task: &TaskStart) {
        self.add(Told::Started(task.clone()));
    }
    fn task_named(&self, task: TaskId, name: &str) {
        self.add(Told::Named(task, name.to_owned()));
    }
    fn before_poll(&self, task: TaskId) {
        self.add(Told::Before(task));
    }
    fn poll_paused(&self, task: TaskId) {
        self.add(Told::Paused(task));
    }
    fn poll_resumed(&self, task: TaskId) {
        self.add(Told::Resumed(task));
    }
    fn after_poll(&self, task: TaskId) {
        self.add(Told::After(task));
    }
    fn task_ended(&self, task: TaskId, how: TaskEnd) {
        self.add(Told::Ended(task, how));
    }
    fn scope_cancelled(&self, cancelled: &ScopeCancelled) {
        self.add(Told::Cancelled(cancelled.clone()));
    }
    fn scope_begun(&self, scope: ScopeId, name: &str, _: Option<TaskId>) {
        self.add(Told::ScopeBegun(scope, name.to_owned()));
    }
    fn scope_ended(&self, scope: ScopeId) {
        self.add(Told::ScopeEnded(scope));
    }
    fn turn_ended(&self) {
        self.add(Told::TurnEnded);
    }
    fn turn_begun(&self) {
        self.add(Told::TurnBegun);
    }
}
