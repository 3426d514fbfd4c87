//! How a child begins.
//!
//! # Contract
//! That of [the child](super). A child is written piece by piece: its future first, then its header. Until both are there
//! nobody else knows of it.

use super::{Child, Content, drop_future, poll_task, release};
use crate::{
    group::{
        blocks,
        core::{ChildHeader, GroupCore, Holds, Table},
        errors::Errors,
        outcome::Outcome,
        status::TaskStatus,
    },
    runtime::{Bindings, Core, Deadline, FirstPanic, Scope, TaskKey, TaskKind, WaitQueue},
};
use std::{
    cell::{Cell, UnsafeCell},
    future::Future,
    mem::ManuallyDrop,
    panic::Location,
    ptr::{self, NonNull},
};

/// Under which scope a child begins.
pub(in crate::group) enum Parent {
    /// The group's.
    Group,
    /// The one of who starts it.
    Current,
}

/// When a child is polled for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::group) enum Begins {
    /// In its turn.
    Soon,
    /// By who starts it, at once.
    Now,
}

/// A block for a child, in which only the header was not written.
pub(in crate::group) struct Placed {
    pub(super) child: NonNull<ChildHeader>,
    pub(super) table: &'static Table,
}

impl Placed {
    /// Puts a future where it is to stay. Before anything else, as each closure that it goes through may copy all of it; and as
    /// something that nothing drops on its way, or the compiler would have it lie elsewhere first.
    #[inline]
    pub(in crate::group) fn new<F, O, E>(errors: *const Errors<E>, future: F) -> Self
    where
        F: Future<Output = O>,
        O: Outcome<E>,
    {
        let future = ManuallyDrop::new(future);
        let block = blocks::allocate(const { Child::<F, O::Value, E>::SIZE });
        let child = block.cast::<Child<F, O::Value, E>>().as_ptr();
        // SAFETY: the block was allocated for this type and is not yet anyone else's.
        unsafe {
            (&raw mut (*child).content).write(UnsafeCell::new(Content { future }));
            (&raw mut (*child).errors).write(errors);
            (&raw mut (*child).header.holds).write(Cell::new(Holds::Future));
        }
        Self { child: block.cast(), table: Child::<F, O::Value, E>::TABLE }
    }

    /// Makes this a child of the group, ready to be polled; the caller owns it together with the group.
    ///
    /// # Safety
    /// The group and its errors stay where they are until the child is off the group's list, and the future is valid until
    /// then. If the group is closed, or its run over, the future is dropped at once.
    #[inline(never)]
    pub(in crate::group) unsafe fn begin(
        self,
        group: &GroupCore,
        parent: Parent,
        begins: Begins,
        location: &'static Location<'static>,
    ) -> NonNull<ChildHeader> {
        // A host that is asked for the thread may panic.
        let unbegun = Unbegun(self);
        Core::try_with_any(|core| {
            // The group is being dropped, or its run is over: what can start a child then is a destructor, which must not
            // panic.
            let core = core.filter(|core| !group.closed.get() && group.belongs_to(core));
            // SAFETY: the caller's promise.
            unsafe { begin(core, group, unbegun.into_inner(), parent, begins, location) }
        })
    }
}

/// A child that does not begin, because something panics before: what is there of it goes with this.
struct Unbegun(Placed);

impl Unbegun {
    fn into_inner(self) -> Placed {
        let Placed { child, table } = ManuallyDrop::new(self).0;
        Placed { child, table }
    }
}

impl Drop for Unbegun {
    fn drop(&mut self) {
        let Placed { child, table } = self.0;
        let panics = FirstPanic::new();
        // SAFETY: the future is there, as the header says, nobody else knows of it, and nothing else in the block needs a
        // destructor.
        panics.catch(|| unsafe { (table.drop_future)(child) });
        // SAFETY: allocated with this size, and not used afterwards.
        unsafe { blocks::free(child.cast(), table.size) };
    }
}

/// Writes the header and makes the child known.
///
/// # Safety
/// As for [`Placed::begin`]. Without an executor the future is dropped at once.
#[inline]
unsafe fn begin(
    core: Option<&Core>,
    group: &GroupCore,
    placed: Placed,
    parent: Parent,
    begins: Begins,
    location: &'static Location<'static>,
) -> NonNull<ChildHeader> {
    let Placed { child, table } = placed;
    // SAFETY: the caller's promise.
    unsafe { write_header(child, table, Holds::Future, group, location) };
    let Some(core) = core else {
        // SAFETY: just made, and known to nobody.
        unsafe { refuse(child) };
        return child;
    };
    // A child that begins in its turn in a group that is being polled wakes nobody, and nobody is told.
    let is_quiet = matches!(parent, Parent::Group)
        && (begins == Begins::Now || group.ready.is_polling() && !core.is_dispatching())
        && !core.is_instrumented();
    if is_quiet {
        // SAFETY: the caller's promise.
        unsafe { make_known(core, group, child, parent, begins) };
        return child;
    }
    // SAFETY: the caller's promise.
    let ((), panic) = core.change_catching(|core| unsafe { make_known(core, group, child, parent, begins) });
    if let Some(payload) = panic {
        let panics = FirstPanic::of(payload);
        // SAFETY: the share of the handle, which is not made.
        panics.catch(|| unsafe { release(child) });
        panics.resume();
    }
    child
}

/// Writes the header of a child that is on no list and in no table.
///
/// # Safety
/// The child's block has room for it, and the group stays where it is as long as the child is on its list.
#[inline(always)]
pub(super) unsafe fn write_header(
    child: NonNull<ChildHeader>,
    table: &'static Table,
    holds: Holds,
    group: &GroupCore,
    location: &'static Location<'static>,
) {
    // First, so that the header is written where it lies.
    let bindings = Bindings::current();
    let header = ChildHeader {
        table,
        group,
        owners: Cell::new(2),
        status: Cell::new(TaskStatus::Pending),
        holds: Cell::new(holds),
        task: Cell::new(None),
        previous: Cell::new(ptr::null()),
        next: Cell::new(ptr::null()),
        scope: Scope::new_node(Deadline::NEVER, false),
        joiners: WaitQueue::new(),
        name: Cell::new(None),
        bindings: Cell::new(bindings),
        location,
    };
    // SAFETY: the caller's promise.
    unsafe { child.write(header) };
}

/// Takes a child into the table of tasks.
///
/// # Safety
/// As for [`Placed::begin`]; the child is taken out again before it goes.
#[inline(always)]
pub(super) unsafe fn enter_in_table(
    core: &Core,
    group: &GroupCore,
    child: NonNull<ChildHeader>,
    size: blocks::Size,
) -> TaskKey {
    // SAFETY: the caller's promise: the header is there.
    let header = unsafe { child.as_ref() };
    let (address, size) = (child.as_ptr().cast_const().cast(), size.bytes());
    // SAFETY: the caller's promise.
    let task = unsafe { core.tasks().insert(&group.ready, address, size) };
    header.task.set(Some(task));
    task
}

/// Ends a child that is not to begin.
///
/// # Safety
/// The child was just made, and no group keeps it.
#[cold]
unsafe fn refuse(child: NonNull<ChildHeader>) {
    // SAFETY: the caller's promise.
    unsafe { child.as_ref() }.status.set(TaskStatus::Cancelled);
    let panics = FirstPanic::new();
    // SAFETY: the share is the group's, which does not keep it. If the future's destructor panics there is no handle, either.
    unsafe {
        panics.catch(|| drop_future(child));
        release(child);
        if panics.is_some() {
            release(child);
        }
    }
    panics.resume();
}

/// Puts a child on the list of its group and into the table of tasks.
///
/// # Safety
/// As for [`Placed::begin`]; the child's header was just written.
#[inline]
unsafe fn make_known(
    core: &Core,
    group: &GroupCore,
    child: NonNull<ChildHeader>,
    parent: Parent,
    begins: Begins,
) {
    // SAFETY: the caller's promise.
    let header = unsafe { child.as_ref() };
    if matches!(parent, Parent::Current) {
        // SAFETY: the block does not move; linked at once, so the scope outside may go first.
        unsafe { header.scope.enter(core, core.scope()) };
        header.scope.link(core);
    }
    // SAFETY: the caller's promise.
    unsafe { ChildHeader::join_group(child, group) };
    // SAFETY: as above.
    let task = unsafe { enter_in_table(core, group, child, header.table.size) };
    if begins == Begins::Soon {
        core.tasks().start(core, task, &group.ready);
    }
    if core.is_instrumented() {
        let host = group.ready.host_task();
        core.tell_of_start(task, TaskKind::Child, host, &header.scope, Some(header.location));
    }
}

/// Polls a child for the first time that was just made and stands in no ready list: at once, if that can be afforded, and
/// else in its turn.
///
/// # Safety
/// The child is on the list of this group, and was not polled.
pub(super) unsafe fn begin_now(core: &Core, group: &GroupCore, child: NonNull<ChildHeader>) {
    // SAFETY: just made.
    let Some(task) = (unsafe { child.as_ref().task.get() }) else { return };
    match core.begin_within().filter(|_| group.ready.is_polling() && !core.is_dispatching()) {
        // SAFETY: the caller's promise; the group is being polled.
        Some(_within) => unsafe { poll_task(core, task, child) },
        None => core.tasks().start(core, task, &group.ready),
    }
}
