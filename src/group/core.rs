//! The parts of a group and its children that do not depend on their types.
//!
//! # Contract
//! A child's header lies at the beginning of its block, and is on its group's list as long as the child lives there. The
//! group lies still meanwhile: see [`child`](super::child). What is in a `Cell` is borrowed only to look whether it is there.

use super::{blocks, status::TaskStatus};
use crate::runtime::{
    Bindings, Core, Deadline, Described, FirstPanic, PanicPayload, ReadyQueue, ReasonKind, RunId, Scope,
    TaskEnd, TaskKey, WaitQueue,
};
use std::{
    cell::Cell,
    panic::Location,
    ptr::{self, NonNull},
    task::Context,
};

/// A group without its errors.
pub(super) struct GroupCore {
    pub(super) ready: ReadyQueue,
    pub(super) scope: Scope,
    /// The task that is the group's body, until that has ended.
    pub(super) body: Cell<Option<TaskKey>>,
    pub(super) children: Cell<*const ChildHeader>,
    pub(super) live: Cell<usize>,
    pub(super) closed: Cell<bool>,
    pub(super) run: Cell<Option<RunId>>,
    pub(super) panic: FirstPanic,
}

impl GroupCore {
    pub(super) fn new() -> Self {
        Self {
            ready: ReadyQueue::new(describe),
            scope: Scope::new_node(Deadline::NEVER, false),
            body: Cell::new(None),
            children: Cell::new(ptr::null()),
            live: Cell::new(0),
            closed: Cell::new(false),
            run: Cell::new(None),
            panic: FirstPanic::new(),
        }
    }

    /// Cancels what is left because one has failed, which was started there.
    pub(super) fn fail(&self, started: &'static Location<'static>) {
        self.scope.cancel_with(ReasonKind::SiblingFailed, None, started);
    }

    /// Keeps a panic for the parent, if it is the first, and cancels what is left.
    pub(super) fn panicked(&self, payload: PanicPayload, started: &'static Location<'static>) {
        self.panic.keep(payload);
        self.panic.catch(|| self.fail(started));
    }

    /// Whether the group was begun in the run of this executor.
    pub(super) fn belongs_to(&self, core: &Core) -> bool {
        self.run.get() == Some(core.run())
    }
}

/// What can be done with a child of any type.
pub(super) struct Table {
    pub(super) poll: unsafe fn(NonNull<ChildHeader>, &Core, &mut Context<'_>),
    pub(super) drop_future: unsafe fn(NonNull<ChildHeader>),
    pub(super) drop_content: unsafe fn(NonNull<ChildHeader>),
    /// How many bytes behind the header's beginning the value lies.
    pub(super) value: usize,
    pub(super) size: blocks::Size,
}

/// What lies in the block of a child, behind its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Future,
    Value,
    Nothing,
}

/// What is known of a child of any type.
#[repr(C)]
pub(super) struct ChildHeader {
    pub(super) table: &'static Table,
    pub(super) group: *const GroupCore,
    pub(super) owners: Cell<u32>,
    pub(super) status: Cell<TaskStatus>,
    pub(super) holds: Cell<Holds>,
    pub(super) task: Cell<Option<TaskKey>>,
    pub(super) previous: Cell<*const ChildHeader>,
    pub(super) next: Cell<*const ChildHeader>,
    pub(super) scope: Scope,
    pub(super) joiners: WaitQueue,
    pub(super) name: Cell<Option<Box<Name>>>,
    /// What the child has inherited; while it is polled, what is to be found again afterwards.
    pub(super) bindings: Cell<Option<Bindings>>,
    pub(super) location: &'static Location<'static>,
}

/// In one word, since few children have one.
pub(super) struct Name(Box<str>);

impl ChildHeader {
    /// What the child was named.
    pub(super) fn name(&self) -> Option<String> {
        let name = self.name.take();
        let copy = name.as_deref().map(|name| name.0.to_string());
        self.name.set(name);
        copy
    }

    pub(super) fn set_name(&self, name: Box<str>) {
        if let Some(task) = self.task.get() {
            Core::try_with(|core| {
                if core.is_instrumented() {
                    core.tell_of_name(task, &name);
                }
            });
        }
        self.name.set(Some(Box::new(Name(name))));
    }

    pub(super) fn group(&self) -> &GroupCore {
        // SAFETY: called only while the child is on the group's list.
        unsafe { &*self.group }
    }

    /// Tells instruments how the child has ended, as long as it is on the list of its group.
    #[inline]
    pub(super) fn tell_of_end(&self, core: &Core, how: TaskEnd) {
        if let Some(task) = self.task.get().filter(|_| core.is_instrumented()) {
            core.tell_of_end(task, &self.scope, how);
        }
    }

    /// Whether the child has inherited something.
    #[inline]
    pub(super) fn has_bindings(&self) -> bool {
        // SAFETY: looked at only, and nothing runs meanwhile.
        unsafe { &*self.bindings.as_ptr() }.is_some()
    }

    /// Whether dropping this does anything.
    #[inline]
    pub(super) fn has_something_to_drop(&self) -> bool {
        // SAFETY: as above.
        let has_name = unsafe { &*self.name.as_ptr() }.is_some();
        has_name || self.has_bindings() || self.scope.has_something_to_drop()
    }

    /// Puts the child on the list of its group.
    ///
    /// # Safety
    /// The child does not move, and is on no list.
    #[inline]
    pub(super) unsafe fn join_group(child: NonNull<Self>, group: &GroupCore) {
        // SAFETY: the caller's promise.
        let header = unsafe { child.as_ref() };
        let next = group.children.replace(child.as_ptr());
        header.next.set(next);
        // SAFETY: children on the list are alive.
        if let Some(next) = unsafe { next.as_ref() } {
            next.previous.set(child.as_ptr());
        }
        group.live.set(group.live.get() + 1);
    }

    /// Takes the child off the list of its group, and out of the table of tasks as long as there is one.
    #[inline]
    pub(super) fn leave_group(&self, core: Option<&Core>) {
        let Some(task) = self.task.take() else { return };
        let group = self.group();
        if let Some(core) = core.filter(|core| group.belongs_to(core)) {
            core.tasks().remove(task);
        }
        let (previous, next) = (self.previous.get(), self.next.get());
        // SAFETY: neighbours on the list are alive.
        match unsafe { previous.as_ref() } {
            Some(previous) => previous.next.set(next),
            None => group.children.set(next),
        }
        // SAFETY: as above.
        if let Some(next) = unsafe { next.as_ref() } {
            next.previous.set(previous);
        }
        group.live.set(group.live.get() - 1);
    }

    /// Hangs the child under its group's scope, if it began under another and has not ended.
    pub(super) fn move_to_group(&self, core: &Core) {
        if self.task.get().is_some() && self.scope.is_entered() {
            // SAFETY: the child's block does not move, and the group's scope outlives the child.
            unsafe { self.scope.move_to(core, &self.group().scope) };
        }
    }
}

/// Tells about a child.
///
/// # Safety
/// `child` is what the table of tasks was given for a child that lives.
unsafe fn describe(child: *const ()) -> Described {
    // SAFETY: a child that is in the table is alive; it was entered by the pointer from its allocation.
    let header = unsafe { &*child.cast::<ChildHeader>() };
    let name = header.name();
    Described { name, location: header.location, scope: &header.scope }
}
