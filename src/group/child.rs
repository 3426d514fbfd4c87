//! One child of a group: its future, then its value, in one block of memory.
//!
//! # Contract
//! A block holds a [`Child`], which begins with a [`ChildHeader`], so a pointer to the block can be used as one to the
//! header without knowing the future's type. Such pointers always come from the allocation, never from a reference to
//! the header. The block has an owner count: one for the group while the child lives, one for the handle. It is freed
//! with the last.
//!
//! The future is polled and dropped only by the group, from within its own poll or when it goes, so what the future
//! borrows from outside of the group is alive. That poll may be its body's, when that waits for the child: no child of the
//! group is being polled there. The group lies still from its first poll until it has dropped all its
//! children, so `group` and `errors` lead to living memory as long as the child is on the group's list.
//!
//! The stage lies in an `UnsafeCell`. The group borrows it while polling or dropping the future; the handle takes the
//! value out only after the status says that the child has finished, and nothing runs in between.

mod beginning;
mod running;

pub(super) use beginning::{Begins, Parent, Placed, begin_now};
pub(super) use running::{Role, run};

use super::{
    blocks,
    core::{ChildHeader, GroupCore, Table},
    errors::Errors,
    outcome::{Outcome, Settled},
    status::TaskStatus,
};
use crate::runtime::{Core, FirstPanic, Stopping, TaskEnd, TaskKey, Within};
use std::{
    alloc::Layout,
    cell::UnsafeCell,
    future::Future,
    mem::{ManuallyDrop, needs_drop},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    ptr::{self, NonNull},
    task::{Context, Poll},
    thread,
};

#[repr(C)]
struct Child<F: Future, T, E> {
    header: ChildHeader,
    errors: *const Errors<E>,
    stage: UnsafeCell<Stage<F, T>>,
}

enum Stage<F, T> {
    Running(F),
    Finished(T),
    Over,
}

/// Polls a child; if that ends it, settles it with the group.
///
/// # Safety
/// The child is on the list of a group that is being polled, and is not being polled itself.
#[inline]
pub(super) unsafe fn poll(child: NonNull<ChildHeader>, core: &Core, cx: &mut Context<'_>) {
    // SAFETY: the table fits the child, and the caller's promise.
    unsafe { (child.as_ref().table.poll)(child, core, cx) }
}

/// The same as the current task, of which instruments are told.
///
/// # Safety
/// As for [`poll`].
#[inline]
pub(super) unsafe fn poll_task(core: &Core, task: TaskKey, child: NonNull<ChildHeader>) {
    if core.is_instrumented() {
        // SAFETY: the caller's promise.
        return unsafe { poll_told(core, task, child) };
    }
    // SAFETY: the caller's promise.
    unsafe { poll_untold(core, task, child) };
}

#[cold]
unsafe fn poll_told(core: &Core, task: TaskKey, child: NonNull<ChildHeader>) {
    let _step = core.begin_step(task);
    // SAFETY: the caller's promise.
    unsafe { poll_untold(core, task, child) };
}

#[inline]
unsafe fn poll_untold(core: &Core, task: TaskKey, child: NonNull<ChildHeader>) {
    let waker = ManuallyDrop::new(task.waker());
    let _current = core.begin_task(task);
    // SAFETY: the caller's promise.
    unsafe { poll(child, core, &mut Context::from_waker(&waker)) };
}

unsafe fn drop_future(child: NonNull<ChildHeader>) {
    // SAFETY: the table fits the child; callers promise that nobody uses the future.
    unsafe { (child.as_ref().table.drop_future)(child) }
}

/// Takes the value out of a child that has finished, if nobody has before.
///
/// # Safety
/// `T` is the type of the child's value, the caller owns the child, and it has finished.
pub(super) unsafe fn take_value<T>(child: NonNull<ChildHeader>) -> Option<T> {
    let mut value = None::<T>;
    // SAFETY: the table fits the child, and `value` is what it expects.
    unsafe { (child.as_ref().table.take_value)(child, ptr::from_mut(&mut value).cast()) };
    value
}

/// Gives up a share in a child.
///
/// # Safety
/// The caller owns that share and does not use the child through it afterwards.
#[inline]
pub(super) unsafe fn release(child: NonNull<ChildHeader>) {
    // SAFETY: the child is alive, since the caller owns a share.
    let header = unsafe { child.as_ref() };
    let owners = header.owners.get() - 1;
    header.owners.set(owners);
    if owners == 0 {
        // SAFETY: nobody else owns the child any more.
        unsafe { free(child) };
    }
}

/// Drops a child that nobody owns any more.
unsafe fn free(child: NonNull<ChildHeader>) {
    // SAFETY: the child is alive until it is dropped here.
    let table = unsafe { child.as_ref() }.table;
    let _block = Block { child, size: table.size };
    // SAFETY: the caller's promise.
    unsafe { (table.drop_child)(child) };
}

/// The memory of a child that is being dropped; freed also if that panics.
struct Block {
    child: NonNull<ChildHeader>,
    size: blocks::Size,
}

impl Drop for Block {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the block was allocated with this size, and nobody owns the child any more.
        unsafe { blocks::free(self.child.cast(), self.size) };
    }
}

impl GroupCore {
    /// Drops the futures of all children that are left, the youngest first. No new ones can start. Gives the first panic
    /// that came out of that.
    pub(super) fn abandon_children(&self) -> FirstPanic {
        self.closed.set(true);
        let panics = FirstPanic::new();
        while let Some(child) = NonNull::new(self.children.get().cast_mut()) {
            // SAFETY: children on the list are alive, by the group's share in them.
            let header = unsafe { child.as_ref() };
            // From here on nothing leads to the child but its handle and its scope; each step is taken whatever the
            // destructors and wakers in it do.
            let left = Core::try_with(|core| {
                let task = header.task.get().filter(|_| core.is_instrumented());
                header.leave_group(Some(core));
                task
            });
            if left.is_none() {
                header.leave_group(None);
            }
            panics.catch(|| {
                let _inherited = Within::enter(&header.bindings);
                // SAFETY: none is being polled: that happens only in the group's poll.
                unsafe { drop_future(child) }
            });
            header.status.set(TaskStatus::Cancelled);
            panics.catch(|| {
                Core::change_anywhere(|| {
                    header.scope.leave_anywhere();
                    Core::try_with(|core| {
                        if let Some(task) = left.flatten() {
                            core.tell_of_end(task, &header.scope, TaskEnd::Dropped);
                        }
                    });
                    header.joiners.notify_all();
                });
            });
            // SAFETY: the group's share, which it gives up here.
            panics.catch(|| unsafe { release(child) });
        }
        panics
    }
}

impl<F, T, O, E> Child<F, T, E>
where
    F: Future<Output = O>,
    O: Outcome<E, Value = T>,
{
    const TABLE: &'static Table = &Table {
        poll: Self::poll,
        drop_future: Self::drop_future,
        take_value: Self::take_value,
        drop_child: Self::drop_child,
        size: Self::SIZE,
    };

    const SIZE: blocks::Size = blocks::Size::of(Layout::new::<Self>());

    unsafe fn poll(child: NonNull<ChildHeader>, core: &Core, cx: &mut Context<'_>) {
        // SAFETY: the child is alive: it is on its group's list.
        let header = unsafe { child.as_ref() };
        // SAFETY: the block does not move, and the group's scope outlives the child.
        unsafe {
            if header.scope.is_entered() {
                header.scope.find_parent(core, &header.group().scope);
            } else {
                header.scope.enter(core, Some(&header.group().scope));
            }
        }
        // SAFETY: the caller's promise.
        let polled = unsafe { Self::poll_future(child, core, cx, |settled| settled) };
        let panics = FirstPanic::new();
        let settled = match polled {
            Ok(Poll::Pending) => return header.scope.link(core),
            Ok(Poll::Ready(settled)) => Some(settled),
            Err(payload) => {
                panics.keep(payload);
                None
            }
        };
        // SAFETY: the child is on its group's list and has ended.
        unsafe { Self::end(child, core, settled, panics) };
    }

    /// Polls the future of a child whose scope has been entered, and has taken what that has come to.
    ///
    /// # Safety
    /// The child lives, and is not being polled; nobody but its group polls it.
    #[inline]
    unsafe fn poll_future<R>(
        child: NonNull<ChildHeader>,
        core: &Core,
        cx: &mut Context<'_>,
        take: impl FnOnce(Settled<T, E>) -> R,
    ) -> thread::Result<Poll<R>> {
        // SAFETY: the caller's promise.
        let header = unsafe { child.as_ref() };
        catch_unwind(AssertUnwindSafe(|| {
            let _current = core.enter_scope(&header.scope);
            let _inherited = Within::enter(&header.bindings);
            // SAFETY: the group alone borrows the stage here, and the future stays in its block until it is dropped.
            let future = unsafe {
                match &mut *child.cast::<Self>().as_ref().stage.get() {
                    Stage::Running(future) => Pin::new_unchecked(future),
                    Stage::Finished(_) | Stage::Over => return Poll::Pending,
                }
            };
            future.poll(cx).map(|output| take(output.settle()))
        }))
    }

    /// Ends a child whose future has given its last: that goes first, before its scope and before anybody learns of the end.
    /// Then the child is taken out of everything, and then others are told, whatever their wakers do.
    ///
    /// # Safety
    /// The child is on the list of a group that is being polled.
    unsafe fn end(
        child: NonNull<ChildHeader>,
        core: &Core,
        settled: Option<Settled<T, E>>,
        panics: FirstPanic,
    ) {
        // SAFETY: the child is alive, and the group outlives it.
        let (header, group) = unsafe { (child.as_ref(), &*child.as_ref().group) };
        let location = header.location;
        let is_dropped = panics.catch(|| {
            let _current = core.enter_scope(&header.scope);
            let _inherited = Within::enter(&header.bindings);
            // SAFETY: the future has ended; nobody uses it.
            unsafe { Self::drop_future(child) };
        });
        // Without a result the future itself has panicked.
        let has_panicked = is_dropped.is_none() || settled.is_none();
        // SAFETY: the caller's promise.
        let status = unsafe { Self::settle(child, settled, &panics) };
        let ((), woken) = core.change_catching(|core| {
            header.status.set(if has_panicked { TaskStatus::Failed } else { status });
            header.tell_of_end(core, if has_panicked { TaskEnd::Panicked } else { status.end() });
            header.scope.leave(core);
            header.leave_group(Some(core));
            header.joiners.notify_all_within(core);
        });
        if let Some(payload) = woken {
            panics.keep(payload);
        }
        if let Some(bindings) = header.bindings.take() {
            // The values are of users.
            panics.catch(|| drop(bindings));
        }
        // SAFETY: the group's share, which it gives up here.
        let release = || unsafe { release(child) };
        if const { needs_drop::<T>() } {
            panics.catch(release);
        } else {
            release();
        }
        if let Some(payload) = panics.take() {
            group.panicked(payload, location);
        }
    }

    /// Keeps the value, or tells the group of the error unless it is a cancellation that came from a scope around it.
    unsafe fn settle(
        child: NonNull<ChildHeader>,
        settled: Option<Settled<T, E>>,
        panics: &FirstPanic,
    ) -> TaskStatus {
        match settled {
            Some(Settled::Value(value)) => {
                // SAFETY: the future is gone, so there is nothing to drop, and the handle does not look before the status says
                // so.
                unsafe { child.cast::<Self>().as_ref().stage.get().write(Stage::Finished(value)) };
                TaskStatus::Finished
            }
            // SAFETY: the caller's promise: the child is alive, and so are its group and that group's errors.
            Some(Settled::Error(error)) => unsafe { Self::settle_error(child, error, panics) },
            Some(Settled::Reported) | None => TaskStatus::Failed,
        }
    }

    #[cold]
    unsafe fn settle_error(child: NonNull<ChildHeader>, error: E, panics: &FirstPanic) -> TaskStatus {
        // SAFETY: the caller's promise: the child is alive, and so are its group and that group's errors.
        let (header, errors) = unsafe { (child.as_ref(), &*child.cast::<Self>().as_ref().errors) };
        // Asking an error is code of users. One that panics is a real one.
        let stage = panics.catch(|| errors.stage_of(&error)).flatten();
        if stage.is_some_and(|stage| header.scope.absorbs(stage)) {
            panics.drop_each([error]);
            return TaskStatus::Cancelled;
        }
        if stage.is_some() && header.scope.is_stopped_from_outside(Stopping::Cancel) {
            let dropped = match header.group().scope.is_stopped_from_outside(Stopping::Cancel) {
                true => errors.keep_cancellation(error),
                false => Some(error),
            };
            panics.drop_each(dropped);
            return TaskStatus::Cancelled;
        }
        // A child that ends because nothing new is to start has ended as it should. To who waits for it, it is cancelled.
        if stage.is_some() && header.scope.is_stopped_from_outside(Stopping::Finish) {
            panics.drop_each([error]);
            return TaskStatus::Cancelled;
        }
        errors.push(error);
        panics.catch(|| header.group().fail(header.location));
        TaskStatus::Failed
    }

    unsafe fn drop_future(child: NonNull<ChildHeader>) {
        // SAFETY: callers promise that nobody uses the future; whatever its drop does, it cannot reach the stage.
        unsafe { *child.cast::<Self>().as_ref().stage.get() = Stage::Over };
    }

    unsafe fn take_value(child: NonNull<ChildHeader>, value: *mut ()) {
        // SAFETY: the child has finished, so the stage is the handle's; `value` is an `Option` of the child's value. That is
        // moved by itself, as the stage is as large as the future was; nothing runs until the stage is over. There was `None`.
        unsafe {
            let stage = child.cast::<Self>().as_ref().stage.get();
            if let Stage::Finished(finished) = &*stage {
                value.cast::<Option<T>>().write(Some(ptr::read(finished)));
                stage.write(Stage::Over);
            }
        }
    }

    unsafe fn drop_child(child: NonNull<ChildHeader>) {
        // SAFETY: called once, by the last owner.
        unsafe { ptr::drop_in_place(child.cast::<Self>().as_ptr()) };
    }
}
