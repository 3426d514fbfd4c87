//! Who is told of each step of a run.
//!
//! # Contract
//! Instruments are code of users. So they are called with every state whole: polls and turns are told of as they begin and end,
//! everything else goes through [`aftermath`](super::aftermath), as wakers do. One that panics is called no more. What one
//! brings about while it is called is told to the others alone, so none can keep the run busy with itself.
//!
//! Without instruments there is one flag to look at, and everything behind it is cold.

use super::{
    Core, Scope, TaskId, TaskKind,
    panics::{FirstPanic, dispose_of},
    waker::TaskKey,
};
use crate::error::CancelReason;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    rc::Rc,
    sync::Arc,
};

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
pub struct ScopeId(u64);

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
        let told = |make: &MakeInstrument| Told {
            instrument: (make.0)(),
            is_busy: Cell::new(false),
            has_panicked: Cell::new(false),
        };
        let own = super::spans::instrument().map(|instrument| Told {
            instrument,
            is_busy: Cell::new(false),
            has_panicked: Cell::new(false),
        });
        let all: Rc<[Told]> = own.into_iter().chain(makes.iter().map(told)).collect();
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
