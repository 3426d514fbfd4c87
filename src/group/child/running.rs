//! Children of whom most end within their first poll.
//!
//! # Contract
//! That of [the child](super). A child that ends in there was never on the list of its group and has no handle, so nothing
//! but the table of tasks and its own scope leads to it: when those are left it is freed.

use super::{
    Child,
    beginning::{Begins, Parent, Placed, begin_now, enter_in_table, write_header},
};
use crate::{
    group::{
        blocks,
        core::{ChildHeader, GroupCore},
        outcome::{Outcome, Settled},
    },
    runtime::{Core, FirstPanic, TaskKey, Within},
};
use std::{
    future::Future,
    mem::ManuallyDrop,
    panic::Location,
    ptr::{self, NonNull},
    task::{Context, Poll},
};

/// What a child is for the task that starts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::group) enum Role {
    /// One as any other, whose first poll is charged.
    Another,
    /// A part of what the task is being polled for, by whom all is polled once more afterwards that has its wakers.
    Part,
}

/// Makes what was placed a child of the group and polls it at once, if that can be afforded. Gives its value if it ends with
/// one in there, and else the child, as [`Placed::begin`] does.
///
/// # Safety
/// As for [`Placed::begin`]; what was placed is a future of this type, with errors of that.
#[inline]
pub(in crate::group) unsafe fn run<F, O, E>(
    placed: Placed,
    group: &GroupCore,
    role: Role,
    location: &'static Location<'static>,
) -> Result<O::Value, NonNull<ChildHeader>>
where
    F: Future<Output = O>,
    O: Outcome<E>,
{
    let child = placed.child;
    // Where it is taken from last: each closure that a value goes through may copy it.
    let mut value = None;
    let has_run = Core::try_with(|core| {
        let is_simple = group.ready.is_polling()
            && !group.closed.get()
            && group.belongs_to(core)
            && !core.is_dispatching()
            && !core.is_instrumented();
        let begin_within = || match role {
            Role::Another => core.begin_within().map(|within| (within, None)),
            Role::Part => core.begin_part().map(|(within, unheard)| (within, Some(unheard))),
        };
        let _within = is_simple.then(begin_within).flatten()?;
        // SAFETY: the caller's promise; the group is being polled.
        unsafe { Child::<F, O::Value, E>::run(core, &placed, group, location, &mut value) };
        Some(())
    });
    if has_run.flatten().is_none() {
        // SAFETY: the caller's promise.
        unsafe { begin(placed, group, location) };
    }
    value.ok_or(child)
}

/// # Safety
/// As for [`Placed::begin`].
#[cold]
unsafe fn begin(placed: Placed, group: &GroupCore, location: &'static Location<'static>) {
    // SAFETY: the caller's promise.
    let child = unsafe { placed.begin(group, Parent::Group, Begins::Now, location) };
    // SAFETY: the caller has a share in it.
    let is_there = unsafe { child.as_ref() }.task.get().is_some();
    if is_there {
        // SAFETY: the child was just made and is on the list of this group.
        Core::with(|core| unsafe { begin_now(core, group, child) });
    }
}

impl<F, T, O, E> Child<F, T, E>
where
    F: Future<Output = O>,
    O: Outcome<E, Value = T>,
{
    /// Polls a child that was just placed, and puts its value there if it has ended with one and left nothing. Without its value
    /// it is a child of the group like others, or has ended as one.
    ///
    /// # Safety
    /// As for [`run`]; the group is being polled.
    #[inline]
    unsafe fn run(
        core: &Core,
        placed: &Placed,
        group: &GroupCore,
        location: &'static Location<'static>,
        value: &mut Option<T>,
    ) {
        let child = placed.child;
        // SAFETY: the caller's promise. The scope is linked no later than this poll ends.
        let (header, task) = unsafe {
            write_header(child, placed.table, group, location);
            let task = enter_in_table(core, group, child);
            let header = child.as_ref();
            header.scope.enter(core, Some(&group.scope));
            (header, task)
        };
        let polled = {
            let waker = ManuallyDrop::new(task.waker());
            let _current = core.begin_task(task);
            let take = |settled| match settled {
                Settled::Value(given) => {
                    *value = Some(given);
                    Settled::Value(())
                }
                Settled::Error(error) => Settled::Error(error),
                Settled::Reported => Settled::Reported,
            };
            // SAFETY: the child was just made.
            unsafe { Self::poll_future(child, core, &mut Context::from_waker(&waker), take) }
        };
        let panics = FirstPanic::new();
        let settled = match polled {
            Ok(Poll::Ready(Settled::Value(()))) => {
                let is_dropped = panics.catch(|| {
                    let _current = (core.enter_scope(&header.scope), core.begin_task(task));
                    let _inherited = Within::enter(&header.bindings);
                    // SAFETY: the future has ended; nobody uses it.
                    unsafe { Self::drop_future(child) };
                });
                // SAFETY: the child is on no list, and its future is gone.
                if is_dropped.is_some() && unsafe { Self::vanish(core, child, task) } {
                    return;
                }
                value.take().map(Settled::Value)
            }
            Ok(Poll::Pending) => {
                header.scope.link(core);
                // SAFETY: the child is on no list.
                return unsafe { ChildHeader::join_group(child, group) };
            }
            Ok(Poll::Ready(Settled::Error(error))) => Some(Settled::Error(error)),
            Ok(Poll::Ready(Settled::Reported)) => Some(Settled::Reported),
            Err(payload) => {
                panics.keep(payload);
                None
            }
        };
        // SAFETY: the child is on no list; afterwards it is on that of its group, which is being polled, and has ended.
        unsafe {
            ChildHeader::join_group(child, group);
            let _current = core.begin_task(task);
            Self::end(child, core, settled, panics);
        }
    }

    /// Frees a child, if nothing leads to it but the table of tasks. Tells whether that was so.
    ///
    /// # Safety
    /// The child is on no list and has no handle, and its future is gone.
    #[inline]
    unsafe fn vanish(core: &Core, child: NonNull<ChildHeader>, task: TaskKey) -> bool {
        // SAFETY: the caller's promise.
        let header = unsafe { child.as_ref() };
        let bindings = header.bindings.take();
        let has_bindings = bindings.is_some();
        header.bindings.set(bindings);
        if has_bindings || !header.scope.leave_if_alone() {
            return false;
        }
        core.tasks().remove(task);
        // SAFETY: nobody else knows of the child. Of what is left only the header needs to be dropped.
        unsafe {
            ptr::drop_in_place(child.as_ptr());
            blocks::free(child.cast(), Self::SIZE);
        }
        true
    }
}
