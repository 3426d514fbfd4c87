//! Spans of `tracing` for tasks and named scopes.
//!
//! A span is entered exactly while what it stands for is polled. While a group polls its children, the spans of the task in which
//! it lives are left, with those of the named scopes there, and entered again afterwards; so their times add up.

use super::{
    TaskId,
    instrument::{Instrument, ScopeCancelled, ScopeId, TaskEnd, TaskStart},
};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
};
use tracing::{Level, Span, field, span};

/// The spans of a run.
pub(super) fn instrument() -> Option<Box<dyn Instrument>> {
    Some(Box::<Spans>::default())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Owner {
    Task(TaskId),
    Scope(ScopeId),
}

/// What is being polled, the innermost last.
struct Entered {
    owner: Owner,
    span: Span,
    is_entered: Cell<bool>,
}

#[derive(Default)]
struct Spans {
    spans: RefCell<HashMap<Owner, Span>>,
    entered: RefCell<Vec<std::rc::Rc<Entered>>>,
}

fn enter(span: &Span) {
    span.with_subscriber(|(id, subscriber)| subscriber.enter(id));
}

fn exit(span: &Span) {
    span.with_subscriber(|(id, subscriber)| subscriber.exit(id));
}

impl Spans {
    // Subscribers are code of users: nothing is borrowed while they are called.

    fn keep(&self, owner: Owner, span: Span) {
        let before = self.spans.borrow_mut().insert(owner, span);
        drop(before);
    }

    fn of(&self, owner: Owner) -> Option<Span> {
        self.spans.borrow().get(&owner).cloned()
    }

    fn forget(&self, owner: Owner) -> Option<Span> {
        self.spans.borrow_mut().remove(&owner)
    }

    fn begin_poll(&self, owner: Owner) {
        let Some(span) = self.of(owner) else { return };
        enter(&span);
        let entered = Entered { owner, span, is_entered: Cell::new(true) };
        self.entered.borrow_mut().push(std::rc::Rc::new(entered));
    }

    fn end_poll(&self, owner: Owner) {
        let place = self.entered.borrow().iter().rposition(|entered| entered.owner == owner);
        let Some(place) = place else { return };
        let ended = self.entered.borrow_mut().split_off(place);
        for entered in ended.into_iter().rev() {
            if entered.is_entered.replace(false) {
                exit(&entered.span);
            }
        }
    }

    /// Those of a task and of what is polled in it.
    fn within(&self, owner: Owner) -> Vec<std::rc::Rc<Entered>> {
        let entered = self.entered.borrow();
        let place = entered.iter().rposition(|entered| entered.owner == owner);
        place.map_or_else(Vec::new, |place| entered[place..].to_vec())
    }
}

impl Instrument for Spans {
    fn task_started(&self, task: &TaskStart) {
        // `runtime.spawn` is what consoles for tasks look for.
        let span = span!(
            target: "anyio::task",
            Level::TRACE,
            "runtime.spawn",
            kind = task.kind.name(),
            task.name = field::Empty,
            task.id = task.id.number(),
            loc.file = task.location.map(|location| location.file()),
            loc.line = task.location.map(|location| location.line()),
            loc.col = task.location.map(|location| location.column()),
            outcome = field::Empty,
        );
        // Where nobody wants spans of tasks, a task is within the one that it was started in.
        let span = if span.is_disabled() { Span::current() } else { span };
        if !span.is_disabled() {
            self.keep(Owner::Task(task.id), span);
        }
    }

    fn task_named(&self, task: TaskId, name: &str) {
        if let Some(span) = self.of(Owner::Task(task)).filter(is_own) {
            span.record("task.name", name);
        }
    }

    fn before_poll(&self, task: TaskId) {
        self.begin_poll(Owner::Task(task));
    }

    fn poll_paused(&self, task: TaskId) {
        for entered in self.within(Owner::Task(task)).iter().rev() {
            if entered.is_entered.replace(false) {
                exit(&entered.span);
            }
        }
    }

    fn poll_resumed(&self, task: TaskId) {
        for entered in self.within(Owner::Task(task)) {
            if !entered.is_entered.replace(true) {
                enter(&entered.span);
            }
        }
    }

    fn after_poll(&self, task: TaskId) {
        self.end_poll(Owner::Task(task));
    }

    fn task_ended(&self, task: TaskId, how: TaskEnd) {
        if let Some(span) = self.forget(Owner::Task(task)).filter(is_own) {
            span.record("outcome", field::debug(how));
        }
    }

    fn scope_begun(&self, scope: ScopeId, name: &str, _task: Option<TaskId>) {
        let span = span!(target: "anyio::scope", Level::TRACE, "scope", scope.name = name);
        if !span.is_disabled() {
            self.keep(Owner::Scope(scope), span);
        }
    }

    fn before_scope_poll(&self, scope: ScopeId) {
        self.begin_poll(Owner::Scope(scope));
    }

    fn after_scope_poll(&self, scope: ScopeId) {
        self.end_poll(Owner::Scope(scope));
    }

    fn scope_ended(&self, scope: ScopeId) {
        drop(self.forget(Owner::Scope(scope)));
    }

    fn scope_cancelled(&self, cancelled: &ScopeCancelled) {
        let scope = cancelled.scope.and_then(|scope| self.of(Owner::Scope(scope)));
        let span = scope.or_else(|| cancelled.task.and_then(|task| self.of(Owner::Task(task))));
        let (reason, location) = (&cancelled.reason, cancelled.reason.location());
        tracing::debug!(
            target: "anyio::scope",
            parent: span.as_ref().and_then(Span::id),
            kind = field::debug(reason.kind()),
            reason = reason.message(),
            loc.file = location.file(),
            loc.line = location.line(),
            loc.col = location.column(),
            "scope cancelled"
        );
    }
}

/// Whether it is the span of a task itself, not one that the task was started in.
fn is_own(span: &Span) -> bool {
    span.metadata().is_some_and(|metadata| metadata.target() == "anyio::task")
}

/// The span of a thread that is handed over to another one.
pub(crate) struct InheritedSpan(Span);

impl InheritedSpan {
    pub(crate) fn current() -> Self {
        Self(Span::current())
    }

    pub(crate) fn within<R>(self, call: impl FnOnce() -> R) -> R {
        self.0.in_scope(call)
    }
}
