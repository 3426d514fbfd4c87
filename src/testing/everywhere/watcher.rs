//! Seeing a body come to its checkpoints, and cutting it short at one of them.

use super::{
    case::{Manner, Moment, Reach, Step},
    location::place_of,
};
use crate::{
    runtime::{
        Core, ReasonKind, Scope, TaskKey, WaitKey, WaitReason, WaitState,
        observation::{Observer, tell_of_end, tell_of_turn},
    },
    scope::CancelScope,
};
use std::{
    backtrace::Backtrace,
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt,
    num::NonZeroU64,
    panic::Location,
    ptr,
    rc::Rc,
};

/// A task of the body, by what is the same in each run: as the how many-th of those that were started there it has come
/// to its first checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Label {
    /// Where it was started. The main task and bodies of groups have none.
    started: Option<&'static Location<'static>>,
    number: usize,
}

/// A checkpoint by what is the same in each run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) task: Label,
    /// It is the how many-th of its task.
    pub(super) number: usize,
}

impl Point {
    /// Whether it is one of a child that the program has started. Those that anyio starts itself nobody can cancel alone.
    pub(super) fn is_of_child(&self) -> bool {
        self.task.started.is_some_and(|place| !place.file().starts_with(own_sources()))
    }
}

/// What the paths of all sources of this package begin with.
fn own_sources() -> &'static str {
    file!().trim_end_matches("testing/everywhere/watcher.rs")
}

/// All that is known of a checkpoint that was reached.
pub(super) struct Reached {
    pub(super) point: Point,
    /// What its task waited for there, if it did.
    pub(super) reason: Option<WaitReason>,
    name: Option<String>,
    scopes: Vec<String>,
    backtrace: Option<Backtrace>,
}

impl fmt::Display for Reached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.backtrace {
            Some(backtrace) => writeln!(f, "  await:     {}", place_of(backtrace))?,
            None => writeln!(f, "  await:     was not noted")?,
        }
        let Label { started, number } = self.point.task;
        match (started, &self.name) {
            (None, _) if number == 1 => write!(f, "  task:      the one that runs the body")?,
            (None, _) => write!(f, "  task:      the body of a task group, the {number}. to get here")?,
            (Some(place), None) => write!(f, "  task:      the {number}. that was started at {place}")?,
            (Some(place), Some(name)) => {
                write!(f, "  task:      {name:?}, the {number}. that was started at {place}")?
            }
        }
        writeln!(f, ", at its checkpoint {}", self.point.number)?;
        match self.reason {
            Some(reason) => writeln!(f, "  waits for: {reason}")?,
            None => writeln!(f, "  waits for: nothing, it goes on at once")?,
        }
        write!(f, "  scopes:    {}", self.scopes.join(" in "))
    }
}

/// One interference, and the checkpoint for it.
pub(super) struct Aim {
    pub(super) step: Step,
    pub(super) point: Point,
    /// What was waited for there in the first run.
    pub(super) reason: Option<WaitReason>,
}

/// What a task of the body has done so far.
struct Progress {
    label: Label,
    count: usize,
    /// The last checkpoint that was reached, by its place among all.
    last: usize,
}

/// Which of the body's scopes.
#[derive(Clone, Copy)]
enum Target {
    Whole,
    Child(NonZeroU64),
}

/// Where an interference stands that was begun.
#[derive(Clone, Copy)]
enum Stage {
    /// The next checkpoint of the aim is waited for.
    Ahead,
    /// This task has come to it, and is to wait for something.
    Reached(TaskKey, Target),
    /// That is what it waits for.
    Armed(WaitKey, Target),
}

/// Looks on in one run of a body.
pub(super) struct Watcher {
    manner: Manner,
    scope: CancelScope,
    aims: Vec<Aim>,
    /// Whether every checkpoint is noted with its place in the source.
    thorough: bool,
    done: Cell<usize>,
    stage: Cell<Stage>,
    tasks: RefCell<HashMap<TaskKey, Progress>>,
    started: RefCell<HashMap<Option<&'static Location<'static>>, usize>>,
    reached: RefCell<Vec<Reached>>,
    /// Where something was done, by its place among all.
    struck: RefCell<Vec<usize>>,
}

impl Watcher {
    /// One that looks on at what is within this scope.
    pub(super) fn new(manner: Manner, scope: CancelScope, aims: Vec<Aim>, thorough: bool) -> Rc<Self> {
        Rc::new(Self {
            manner,
            scope,
            aims,
            thorough,
            done: Cell::new(0),
            stage: Cell::new(Stage::Ahead),
            tasks: RefCell::default(),
            started: RefCell::default(),
            reached: RefCell::default(),
            struck: RefCell::default(),
        })
    }

    /// How many of the interferences have happened.
    pub(super) fn done(&self) -> usize {
        self.done.get()
    }

    /// All checkpoints that were reached before the whole body was cancelled.
    pub(super) fn take_reached(&self) -> Vec<Reached> {
        self.reached.take()
    }

    /// The last interference, or if there was none the last checkpoint.
    pub(super) fn show_last(&self) -> Option<String> {
        let reached = self.reached.borrow();
        let shown: Vec<usize> = match &**self.struck.borrow() {
            [] => reached.len().checked_sub(1).into_iter().collect(),
            struck => struck.to_vec(),
        };
        let texts: Vec<String> =
            shown.iter().filter_map(|&place| reached.get(place)).map(Reached::to_string).collect();
        (!texts.is_empty()).then(|| texts.join("\n  then\n"))
    }

    /// Notes that the task is at a checkpoint. Gives its place among all.
    fn note(&self, core: &Core, task: TaskKey, scope: &Scope) -> usize {
        let mut tasks = self.tasks.borrow_mut();
        let described = core.tasks().describe(task);
        let mut reached = self.reached.borrow_mut();
        let place = reached.len();
        let progress = tasks.entry(task).or_insert_with(|| {
            let started = described.as_ref().map(|described| described.location);
            let mut counts = self.started.borrow_mut();
            let number = counts.entry(started).or_insert(0);
            *number += 1;
            Progress { label: Label { started, number: *number }, count: 0, last: 0 }
        });
        progress.count += 1;
        progress.last = place;
        let point = Point { task: progress.label.clone(), number: progress.count };
        let aim = self.aims.iter().find(|aim| aim.point == point);
        let is_of_interest = self.thorough || aim.is_some();
        let reason = aim.and_then(|aim| aim.reason);
        let mut noted = Reached { point, reason, name: None, scopes: Vec::new(), backtrace: None };
        if is_of_interest {
            let own = described.as_ref().map_or(ptr::null(), |described| described.scope);
            noted.scopes = self.describe_scopes(scope, own);
            noted.name = described.and_then(|described| described.name);
            noted.backtrace = Some(Backtrace::force_capture());
        }
        reached.push(noted);
        place
    }

    /// The scopes from this one to the body's.
    fn describe_scopes(&self, scope: &Scope, own: *const Scope) -> Vec<String> {
        let mut texts = Vec::new();
        for scope in scope.and_those_around() {
            let name = if ptr::eq(scope, &*self.scope) {
                "that of the body"
            } else if ptr::eq(scope, own) {
                "the task's own"
            } else {
                "one"
            };
            let mut text = name.to_owned();
            if scope.deadline().is_some() {
                text += " with a deadline";
            }
            if let Some(reason) = scope.reason() {
                text += &format!(" ({reason})");
            }
            texts.push(text);
            if ptr::eq(scope, &*self.scope) {
                break;
            }
        }
        texts
    }

    fn aim(&self) -> Option<&Aim> {
        self.aims.get(self.done.get())
    }

    /// What the interference cancels.
    fn target(&self, core: &Core, task: TaskKey, aim: &Aim) -> Option<Target> {
        match aim.step.reach {
            Reach::Whole => Some(Target::Whole),
            Reach::Child => core.number_of_child(task).map(Target::Child),
        }
    }

    /// A task is at a checkpoint while another waits, or has waited, for this.
    fn strike_between(&self, core: &Core, wait: WaitKey, target: Target) {
        if self.aim().is_none_or(|aim| aim.step.moment != Moment::InFlight) {
            return;
        }
        let waits = core.waits();
        if !waits.is_current(wait) || waits.state(wait) != WaitState::Waiting {
            self.stage.set(Stage::Ahead);
        } else if !waits.is_of_driver(wait) {
            // Of an operation the kernel has to hear first.
            self.strike(core, target);
        }
    }

    /// Whether the last that was cancelled is a child alone.
    pub(super) fn has_cancelled_child(&self) -> bool {
        let last = self.done.get().checked_sub(1).and_then(|last| self.aims.get(last));
        last.is_some_and(|aim| aim.step.reach == Reach::Child)
    }

    fn strike(&self, core: &Core, target: Target) {
        self.stage.set(Stage::Ahead);
        self.done.set(self.done.get() + 1);
        match (self.manner, target) {
            (Manner::Timeout, Target::Whole) => self.scope.set_deadline(Some(core.now())),
            (_, Target::Whole) => self.scope.cancel_because("everywhere"),
            (_, Target::Child(number)) => {
                let reason = Some("everywhere".to_owned());
                core.tell_remote(number, |scope| {
                    scope.cancel_with(ReasonKind::Explicit, reason, Location::caller());
                });
            }
        }
    }
}

impl Observer for Watcher {
    fn checkpoint(&self, core: &Core, scope: &Scope) {
        let Some(task) = core.task().filter(|_| !self.scope.cancel_called()) else { return };
        let place = self.note(core, task, scope);
        match self.stage.get() {
            Stage::Ahead => {}
            // It has gone on without waiting.
            Stage::Reached(reached, _) if reached == task => self.stage.set(Stage::Ahead),
            Stage::Reached(..) => return,
            Stage::Armed(wait, target) => return self.strike_between(core, wait, target),
        }
        let Some(aim) = self.aim().filter(|aim| self.reached.borrow()[place].point == aim.point) else {
            return;
        };
        let Some(target) = self.target(core, task, aim) else { return };
        self.struck.borrow_mut().push(place);
        match aim.step.moment {
            Moment::Before => self.strike(core, target),
            Moment::InFlight | Moment::Done => self.stage.set(Stage::Reached(task, target)),
        }
    }

    fn waits(&self, core: &Core, wait: WaitKey) {
        let Some(task) = core.task().filter(|_| !self.scope.cancel_called()) else { return };
        if let Some(progress) = self.tasks.borrow().get(&task) {
            self.reached.borrow_mut()[progress.last].reason.get_or_insert(core.waits().reason(wait));
        }
        let Stage::Reached(reached, target) = self.stage.get() else { return };
        if reached != task {
            return;
        }
        self.stage.set(Stage::Armed(wait, target));
        match self.aim().map(|aim| aim.step.moment) {
            Some(Moment::InFlight) => tell_of_turn(core),
            Some(Moment::Done) => tell_of_end(core, wait),
            Some(Moment::Before) | None => {}
        }
    }

    fn turned(&self, core: &Core) {
        let Stage::Armed(wait, target) = self.stage.get() else { return };
        if core.waits().is_current(wait) {
            self.strike(core, target);
        } else {
            self.stage.set(Stage::Ahead);
        }
    }

    fn ended(&self, core: &Core, wait: WaitKey) {
        let Stage::Armed(armed, target) = self.stage.get() else { return };
        if armed == wait && core.waits().is_current(wait) && core.waits().state(wait) == WaitState::Done {
            self.strike(core, target);
        } else {
            self.stage.set(Stage::Ahead);
        }
    }
}
