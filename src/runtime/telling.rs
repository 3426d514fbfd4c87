//! How instruments are told of each step of a run.
//!
//! # Contract
//! Instruments are code of users. So they are called with every state whole: polls and turns are told of as they begin and end,
//! everything else goes through [`aftermath`](super::aftermath), as wakers do. One that panics is called no more. What one
//! brings about while it is called is told to the others alone, so none can keep the run busy with itself.
//!
//! Without instruments there is one flag to look at, and everything behind it is cold.

use super::{
    Core, Instrument, Scope, ScopeCancelled, ScopeId, TaskEnd, TaskId, TaskKind, TaskStart,
    panics::{FirstPanic, dispose_of},
    waker::TaskKey,
};
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    rc::Rc,
    sync::Arc,
};

/// What is told with every state whole.
pub(super) enum Event {
    Started(TaskStart),
    Named(TaskId, Box<str>),
    Ended(TaskId, TaskEnd),
    Cancelled(ScopeCancelled),
    ScopeBegun(ScopeId, Box<str>, Option<TaskId>),
    ScopeEnded(ScopeId),
}

impl Event {
    fn tell(&self, instrument: &dyn Instrument) {
        match self {
            Self::Started(task) => instrument.task_started(task),
            Self::Named(task, name) => instrument.task_named(*task, name),
            Self::Ended(task, how) => instrument.task_ended(*task, *how),
            Self::Cancelled(cancelled) => instrument.scope_cancelled(cancelled),
            Self::ScopeBegun(scope, name, task) => instrument.scope_begun(*scope, name, *task),
            Self::ScopeEnded(scope) => instrument.scope_ended(*scope),
        }
    }
}

/// Makes an instrument for each run.
#[derive(Clone)]
pub(crate) struct MakeInstrument(Arc<dyn Fn() -> Box<dyn Instrument> + Send + Sync>);

impl MakeInstrument {
    pub(crate) fn new<I: Instrument + 'static>(make: impl Fn() -> I + Send + Sync + 'static) -> Self {
        Self(Arc::new(move || Box::new(make())))
    }
}

impl fmt::Debug for MakeInstrument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MakeInstrument")
    }
}

struct Told {
    instrument: Box<dyn Instrument>,
    /// It is being called further up on the stack.
    is_busy: Cell<bool>,
    has_panicked: Cell<bool>,
}

impl Told {
    fn new(instrument: Box<dyn Instrument>) -> Self {
        Self { instrument, is_busy: Cell::new(false), has_panicked: Cell::new(false) }
    }
}

#[derive(Clone, Copy)]
enum Owner {
    Task(TaskId),
    Named(ScopeId),
}

/// The instruments of a run.
#[derive(Default)]
pub(crate) struct Instruments {
    is_used: Cell<bool>,
    all: RefCell<Rc<[Told]>>,
    main: Cell<Option<TaskId>>,
    /// The task that is being polled, in the innermost poll.
    polled: Cell<Option<TaskId>>,
    /// Whose scope it is, of those of tasks and those with names.
    owners: RefCell<HashMap<*const Scope, Owner>>,
    last_scope: Cell<u64>,
}

impl Instruments {
    /// Has these told from now on.
    pub(crate) fn begin(&self, makes: &[MakeInstrument]) {
        let own = super::spans::instrument().into_iter();
        let all: Rc<[Told]> = own.chain(makes.iter().map(|make| (make.0)())).map(Told::new).collect();
        self.is_used.set(!all.is_empty());
        self.all.replace(all);
    }

    /// Drops them: nothing is told any more. Gives the first panic that comes out of that.
    pub(crate) fn end(&self) -> FirstPanic {
        let panics = FirstPanic::new();
        self.is_used.set(false);
        self.owners.take();
        panics.drop_each([self.all.take()]);
        panics
    }

    fn tell(&self, tell: impl Fn(&dyn Instrument)) {
        let all = Rc::clone(&self.all.borrow());
        for told in all.iter() {
            if told.has_panicked.get() || told.is_busy.replace(true) {
                continue;
            }
            let called = catch_unwind(AssertUnwindSafe(|| tell(&*told.instrument)));
            told.is_busy.set(false);
            if let Err(payload) = called {
                told.has_panicked.set(true);
                dispose_of(payload);
                log::error!("an instrument has panicked; it is not told of its run any more");
            }
        }
    }

    #[cold]
    fn begin_poll(&self, task: TaskId) {
        let outer = self.polled.replace(Some(task));
        self.tell(|instrument| {
            if let Some(outer) = outer {
                instrument.poll_paused(outer);
            }
            instrument.before_poll(task);
        });
    }

    #[cold]
    fn end_poll(&self, task: TaskId, outer: Option<TaskId>) {
        self.polled.set(outer);
        self.tell(|instrument| {
            instrument.after_poll(task);
            if let Some(outer) = outer {
                instrument.poll_resumed(outer);
            }
        });
    }
}

/// The poll of a task that instruments are told of, until this is dropped.
pub(crate) struct Step<'a> {
    core: &'a Core,
    task: TaskId,
    outer: Option<TaskId>,
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        self.core.instruments().end_poll(self.task, self.outer);
    }
}

/// The body of a scope with a name, until this is dropped.
pub(crate) struct NamedScope {
    id: ScopeId,
    scope: *const Scope,
}

impl NamedScope {
    /// Tells of a poll of the body.
    pub(crate) fn poll<R>(&self, core: &Core, poll: impl FnOnce() -> R) -> R {
        struct Ending<'a>(&'a Core, ScopeId);
        impl Drop for Ending<'_> {
            fn drop(&mut self) {
                self.0.instruments().tell(|instrument| instrument.after_scope_poll(self.1));
            }
        }
        core.instruments().tell(|instrument| instrument.before_scope_poll(self.id));
        let _ending = Ending(core, self.id);
        poll()
    }
}

impl Drop for NamedScope {
    fn drop(&mut self) {
        Core::try_with(|core| {
            core.instruments().owners.borrow_mut().remove(&self.scope);
            core.tell_afterwards(Event::ScopeEnded(self.id));
        });
    }
}

impl Core {
    /// Whether anybody is told of the steps of the run.
    #[inline]
    pub(crate) fn is_instrumented(&self) -> bool {
        self.instruments().is_used.get()
    }

    /// Tells of the poll of a task, if anybody is to be told.
    #[inline]
    pub(crate) fn begin_step(&self, task: TaskKey) -> Option<Step<'_>> {
        if !self.is_instrumented() {
            return None;
        }
        let outer = self.instruments().polled.get();
        let step = Step { core: self, task: TaskId::of(task), outer };
        self.instruments().begin_poll(step.task);
        Some(step)
    }

    /// Tells of a task that was started, whose own scope this is.
    #[cold]
    #[inline(never)]
    pub(crate) fn tell_of_start(
        &self,
        task: TaskKey,
        kind: TaskKind,
        parent: Option<TaskKey>,
        scope: *const Scope,
        location: Option<&'static Location<'static>>,
    ) {
        let id = TaskId::of(task);
        let instruments = self.instruments();
        if kind == TaskKind::Main {
            instruments.main.set(Some(id));
        } else {
            instruments.owners.borrow_mut().insert(scope, Owner::Task(id));
        }
        let parent = parent.filter(|parent| parent.executor() == self.id()).map(TaskId::of);
        let started_by = self.task().map(TaskId::of);
        self.tell_afterwards(Event::Started(TaskStart { id, kind, parent, started_by, location }));
    }

    /// Tells of the end of a task, whose own scope this is.
    #[cold]
    #[inline(never)]
    pub(crate) fn tell_of_end(&self, task: TaskKey, scope: *const Scope, how: TaskEnd) {
        self.instruments().owners.borrow_mut().remove(&scope);
        self.tell_afterwards(Event::Ended(TaskId::of(task), how));
    }

    #[cold]
    pub(crate) fn tell_of_name(&self, task: TaskKey, name: &str) {
        self.tell_afterwards(Event::Named(TaskId::of(task), name.into()));
    }

    /// What is to be told of a scope that was cancelled, if anybody is to be told.
    #[inline]
    pub(super) fn describe_cancellation(&self, scope: &Scope) -> Option<ScopeCancelled> {
        if self.is_instrumented() { self.describe_cancelled(scope) } else { None }
    }

    #[cold]
    #[inline(never)]
    fn describe_cancelled(&self, scope: &Scope) -> Option<ScopeCancelled> {
        let reason = scope.reason()?;
        let instruments = self.instruments();
        let (mut task, mut named) = (None, None);
        if scope.is_entered() {
            let owners = instruments.owners.borrow();
            for scope in scope.and_those_around() {
                match owners.get(&std::ptr::from_ref(scope)) {
                    Some(Owner::Task(id)) => {
                        task = Some(*id);
                        break;
                    }
                    Some(Owner::Named(id)) if named.is_none() => named = Some(*id),
                    _ => {}
                }
            }
            task = task.or(instruments.main.get());
        }
        let cancelled_by = self.task().map(TaskId::of);
        Some(ScopeCancelled { reason, task, scope: named, cancelled_by })
    }

    /// Tells that a scope was cancelled.
    #[cold]
    pub(super) fn tell_of_cancellation(&self, cancelled: ScopeCancelled) {
        self.tell_afterwards(Event::Cancelled(cancelled));
    }

    /// Tells that the body of a scope with a name begins, if anybody is to be told.
    #[cold]
    pub(crate) fn begin_named_scope(&self, scope: &Scope, name: &str) -> Option<NamedScope> {
        if !self.is_instrumented() {
            return None;
        }
        let instruments = self.instruments();
        let id = ScopeId(instruments.last_scope.get() + 1);
        instruments.last_scope.set(id.0);
        instruments.owners.borrow_mut().insert(scope, Owner::Named(id));
        self.tell_afterwards(Event::ScopeBegun(id, name.into(), self.task().map(TaskId::of)));
        Some(NamedScope { id, scope })
    }

    #[cold]
    pub(crate) fn tell_of_turn(&self, has_begun: bool) {
        self.instruments().tell(|instrument| match has_begun {
            true => instrument.turn_begun(),
            false => instrument.turn_ended(),
        });
    }

    /// Tells something: now, or after the change that is being made.
    pub(super) fn tell_now(&self, event: &Event) {
        self.instruments().tell(|instrument| event.tell(instrument));
    }
}
