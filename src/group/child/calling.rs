//! Children that begin at once.
//!
//! # Contract
//! That of [the child](super). A child that ends in its first poll, in which it has started no other, was never on the list of its
//! group, so nothing but the table of tasks and its own scope leads to it: when those are left it is its handle's alone.

use super::{
    Child,
    beginning::{Begins, Parent, Placed, begin_now, enter_in_table, write_header},
};
use crate::{
    group::{
        blocks,
        core::{ChildHeader, GroupCore, Holds},
        errors::Errors,
        outcome::{Outcome, Settled},
        status::TaskStatus,
    },
    runtime::{Core, TaskKey},
};
use std::{
    future::Future,
    mem::ManuallyDrop,
    panic::Location,
    pin::Pin,
    ptr::NonNull,
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

/// Makes a child of the group whose future is made within its first poll, and polls it at once, if that can be afforded. The
/// caller owns it, together with the group as long as it lives.
///
/// # Safety
/// As for [`Placed::begin`], of the errors, the function and its future.
#[inline]
pub(in crate::group) unsafe fn call<M, F, O, E>(
    errors: &Errors<E>,
    group: &GroupCore,
    make: M,
    role: Role,
    location: &'static Location<'static>,
) -> NonNull<ChildHeader>
where
    M: FnOnce() -> F,
    F: Future<Output = O>,
    O: Outcome<E>,
{
    let mut make = Function::new(make);
    let called = Core::try_with(|core| {
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
        Some(unsafe { Child::<Called<M, F>, O::Value, E>::call(core, errors, group, &mut make, location) })
    });
    match called.flatten() {
        Some(child) => child,
        // SAFETY: the caller's promise.
        None => unsafe { begin(errors, group, Called::Before(make.take()), location) },
    }
}

/// # Safety
/// As for [`Placed::begin`].
#[cold]
unsafe fn begin<F, O, E>(
    errors: &Errors<E>,
    group: &GroupCore,
    future: F,
    location: &'static Location<'static>,
) -> NonNull<ChildHeader>
where
    F: Future<Output = O>,
    O: Outcome<E>,
{
    let placed = Placed::new(errors, future);
    // SAFETY: the caller's promise.
    let child = unsafe { placed.begin(group, Parent::Group, Begins::Now, location) };
    // SAFETY: the caller has a share in it.
    let is_there = unsafe { child.as_ref() }.task.get().is_some();
    if is_there {
        // SAFETY: the child was just made and is on the list of this group.
        Core::with(|core| unsafe { begin_now(core, group, child) });
    }
    child
}

/// A function that is taken once from where it lies: an option would be copied.
struct Function<M> {
    function: ManuallyDrop<M>,
    is_taken: bool,
}

impl<M> Function<M> {
    #[inline]
    fn new(function: M) -> Self {
        Self { function: ManuallyDrop::new(function), is_taken: false }
    }

    /// # Safety
    /// It was not taken before.
    #[inline]
    unsafe fn take(&mut self) -> M {
        self.is_taken = true;
        // SAFETY: the caller's promise.
        unsafe { ManuallyDrop::take(&mut self.function) }
    }
}

impl<M> Drop for Function<M> {
    #[inline]
    fn drop(&mut self) {
        if !self.is_taken {
            // SAFETY: it was not taken, and is not used afterwards.
            unsafe { ManuallyDrop::drop(&mut self.function) };
        }
    }
}

/// The future of a function that is called when it is first polled.
enum Called<M, F> {
    Before(M),
    Made(F),
    Over,
}

impl<M: FnOnce() -> F, F: Future> Future for Called<M, F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the future stays where it is until it is dropped. It is made there, and the function is not pinned.
        unsafe {
            let this = self.get_unchecked_mut();
            if let Self::Before(_) = this {
                if let Self::Before(make) = std::mem::replace(this, Self::Over) {
                    *this = Self::Made(make());
                }
            }
            match this {
                Self::Made(future) => Pin::new_unchecked(future).poll(cx),
                Self::Before(_) | Self::Over => panic!("a future is not polled after its end"),
            }
        }
    }
}

impl<M, F, T, O, E> Child<Called<M, F>, T, E>
where
    M: FnOnce() -> F,
    F: Future<Output = O>,
    O: Outcome<E, Value = T>,
{
    /// Makes a child and polls it.
    ///
    /// # Safety
    /// As for [`call`]; the group is being polled.
    #[inline]
    unsafe fn call(
        core: &Core,
        errors: &Errors<E>,
        group: &GroupCore,
        make: &mut Function<M>,
        location: &'static Location<'static>,
    ) -> NonNull<ChildHeader> {
        let child = blocks::allocate(const { Self::SIZE }).cast::<ChildHeader>();
        // SAFETY: the block was allocated for this type. The caller's promise. The scope is linked no later than this poll ends.
        let (header, task) = unsafe {
            (&raw mut (*child.cast::<Self>().as_ptr()).errors).write(errors);
            write_header(child, Self::TABLE, Holds::Nothing, group, location);
            let header = child.as_ref();
            header.scope.enter_anew(&group.scope);
            header.next.set(group.beginning.replace(child.as_ptr()));
            (header, enter_in_table(core, group, child, const { Self::SIZE }))
        };
        let mut settled = None;
        let polled = {
            let waker = ManuallyDrop::new(task.waker());
            let _current = core.begin_task(task);
            let begin = || {
                // What the child has inherited is current, as it was just made, so there is nothing to enter.
                // SAFETY: the block has room for the future, and nothing is there yet. The function was not taken before.
                unsafe { Self::content(child).cast::<Called<M, F>>().write(Called::Made(make.take()())) };
                header.holds.set(Holds::Future);
            };
            // SAFETY: the child was just made.
            unsafe { Self::poll_future(child, core, &mut Context::from_waker(&waker), begin, &mut settled) }
        };
        // A child that was started within this poll is younger, and has put this one on the list before itself.
        let is_listed = group.beginning.get() != child.as_ptr();
        if !is_listed {
            group.beginning.set(header.next.get());
            if matches!((&polled, &settled), (Ok(()), Some(Settled::Value(()))))
                && Self::leave_if_alone(core, header, task)
            {
                return child;
            }
            // SAFETY: the child is on no list.
            unsafe { ChildHeader::join_group(child, group) };
        }
        if polled.is_ok() && settled.is_none() {
            header.scope.link(core);
        } else {
            let _current = core.begin_task(task);
            // SAFETY: the child is on the list of its group, which is being polled, and has ended.
            unsafe { Self::end(child, core, settled, polled) };
        }
        child
    }

    /// Ends a child with its value, if nothing leads to it but the table of tasks. Tells whether that was so.
    #[inline]
    fn leave_if_alone(core: &Core, header: &ChildHeader, task: TaskKey) -> bool {
        if header.has_bindings() || !header.scope.leave_if_alone() {
            return false;
        }
        core.tasks().remove(task);
        header.task.set(None);
        header.status.set(TaskStatus::Finished);
        // The group has no share in it.
        header.owners.set(1);
        true
    }
}
