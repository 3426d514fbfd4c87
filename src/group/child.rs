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
//! Future and value lie in one place, one after the other; the header says which of them is there. The group borrows the future
//! while polling or dropping it; the handle takes the value out only after the status says that the child has finished, and
//! nothing runs in between.

mod beginning;
mod calling;

pub(super) use beginning::{Begins, Parent, Placed};
pub(super) use calling::{Role, call};

use super::{
    blocks,
    core::{ChildHeader, GroupCore, Holds, Table},
    errors::Errors,
    outcome::{Outcome, Settled},
    status::TaskStatus,
};
use crate::runtime::{Core, FirstPanic, Stopping, TaskEnd, TaskKey, Within};
use std::{
    alloc::Layout,
    cell::UnsafeCell,
    future::Future,
    mem::{ManuallyDrop, needs_drop, offset_of},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    ptr::{self, NonNull},
    task::{Context, Poll},
    thread,
};

#[repr(C)]
struct Child<F, T, E> {
    header: ChildHeader,
    errors: *const Errors<E>,
    content: UnsafeCell<Content<F, T>>,
}

/// What there is, if anything, says the header.
#[repr(C)]
union Content<F, T> {
    future: ManuallyDrop<F>,
    value: ManuallyDrop<T>,
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
#[inline]
pub(super) unsafe fn take_value<T>(child: NonNull<ChildHeader>) -> Option<T> {
    // SAFETY: the child is alive, since the caller owns a share.
    let header = unsafe { child.as_ref() };
    if header.holds.get() != Holds::Value {
        return None;
    }
    header.holds.set(Holds::Nothing);
    // SAFETY: the value is there, and nobody else takes it any more.
    Some(unsafe { child.byte_add(header.table.value).cast::<T>().read() })
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
#[inline]
unsafe fn free(child: NonNull<ChildHeader>) {
    // SAFETY: the child is alive until it is dropped here.
    let header = unsafe { child.as_ref() };
    let (table, holds) = (header.table, header.holds.get());
    if holds != Holds::Nothing || header.has_something_to_drop() {
        // SAFETY: the caller's promise.
        return unsafe { drop_and_free(child) };
    }
    // SAFETY: the block was allocated with this size, and nobody owns the child any more.
    unsafe { blocks::free(child.cast(), table.size) };
}

/// The same for one that has something to drop.
unsafe fn drop_and_free(child: NonNull<ChildHeader>) {
    // SAFETY: the child is alive until it is dropped here.
    let table = unsafe { child.as_ref() }.table;
    let _block = Block { child, size: table.size };
    let _header = Header(child);
    // SAFETY: the caller's promise.
    unsafe { (table.drop_content)(child) };
}

/// The header of a child that is being dropped.
struct Header(NonNull<ChildHeader>);

impl Drop for Header {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: nobody owns the child any more, and this is done once.
        unsafe { ptr::drop_in_place(self.0.as_ptr()) };
    }
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
        drop_content: Self::drop_content,
        value: offset_of!(Self, content),
        size: Self::SIZE,
    };

    const SIZE: blocks::Size = blocks::Size::of(Layout::new::<Self>());

    /// Where the future is, and later the value.
    #[inline]
    fn content(child: NonNull<ChildHeader>) -> *mut Content<F, T> {
        child.cast::<Self>().as_ptr().wrapping_byte_add(offset_of!(Self, content)).cast()
    }

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
        let mut settled = None;
        // SAFETY: the caller's promise.
        let polled =
            unsafe { Self::poll_future(child, core, cx, || Within::enter(&header.bindings), &mut settled) };
        if polled.is_ok() && settled.is_none() {
            return header.scope.link(core);
        }
        // SAFETY: the child is on its group's list and has ended.
        unsafe { Self::end(child, core, settled, polled) };
    }

    /// Polls the future of a child whose scope has been entered, within what is entered first. If it ends with that it is
    /// dropped; what it has come to is put down, and its value in its place.
    ///
    /// # Safety
    /// The child lives, and is not being polled; nobody but its group polls it.
    #[inline]
    unsafe fn poll_future<G>(
        child: NonNull<ChildHeader>,
        core: &Core,
        cx: &mut Context<'_>,
        enter: impl FnOnce() -> G,
        settled: &mut Option<Settled<(), E>>,
    ) -> thread::Result<()> {
        // SAFETY: the caller's promise.
        let header = unsafe { child.as_ref() };
        catch_unwind(AssertUnwindSafe(|| {
            let _current = core.enter_scope(&header.scope);
            let _inherited = enter();
            if header.holds.get() != Holds::Future {
                return;
            }
            // SAFETY: the group alone borrows the future, which stays in its block until it is dropped.
            let future = unsafe { Pin::new_unchecked(&mut *Self::content(child).cast::<F>()) };
            let Poll::Ready(output) = future.poll(cx) else { return };
            // What panics as the future is dropped changes nothing about what it has come to.
            let _ended = Ended {
                output: ManuallyDrop::new(output),
                child,
                place: Self::content(child).cast(),
                settled,
            };
            // SAFETY: the future has ended; nobody uses it.
            unsafe { Self::drop_future(child) };
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
        settled: Option<Settled<(), E>>,
        polled: thread::Result<()>,
    ) {
        // SAFETY: the child is alive, and the group outlives it.
        let (header, group) = unsafe { (child.as_ref(), &*child.as_ref().group) };
        let location = header.location;
        let panics = FirstPanic::new();
        let has_panicked = polled.is_err();
        if let Err(payload) = polled {
            panics.keep(payload);
            panics.catch(|| {
                let _current = core.enter_scope(&header.scope);
                let _inherited = Within::enter(&header.bindings);
                // SAFETY: the future has ended; nobody uses it.
                unsafe { Self::drop_future(child) };
            });
        }
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

    /// Tells the group of the error unless it is a cancellation that came from a scope around it.
    unsafe fn settle(
        child: NonNull<ChildHeader>,
        settled: Option<Settled<(), E>>,
        panics: &FirstPanic,
    ) -> TaskStatus {
        match settled {
            Some(Settled::Value(())) => TaskStatus::Finished,
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

    /// Drops the future, if it is there.
    #[inline]
    unsafe fn drop_future(child: NonNull<ChildHeader>) {
        // SAFETY: the child is alive: callers promise that. Whatever a destructor does, it cannot reach the content.
        unsafe {
            let holds = &child.as_ref().holds;
            if holds.get() == Holds::Future {
                holds.set(Holds::Nothing);
                ptr::drop_in_place(Self::content(child).cast::<F>());
            }
        }
    }

    /// Drops what is there.
    unsafe fn drop_content(child: NonNull<ChildHeader>) {
        // SAFETY: callers promise that nobody uses it. It is dropped once, as the header says that nothing is there any more.
        unsafe {
            match child.as_ref().holds.replace(Holds::Nothing) {
                Holds::Future => ptr::drop_in_place(Self::content(child).cast::<F>()),
                Holds::Value => ptr::drop_in_place(Self::content(child).cast::<T>()),
                Holds::Nothing => {}
            }
        }
    }
}

/// What a child has come to: settled when its future was dropped, whether that has panicked or not. A value takes the place of
/// the future.
struct Ended<'a, O: Outcome<E>, E> {
    output: ManuallyDrop<O>,
    child: NonNull<ChildHeader>,
    place: *mut O::Value,
    settled: &'a mut Option<Settled<(), E>>,
}

impl<O: Outcome<E>, E> Drop for Ended<'_, O, E> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: it is not used afterwards.
        let settled = match unsafe { ManuallyDrop::take(&mut self.output) }.settle() {
            Settled::Value(value) => {
                // SAFETY: the child is alive, and what lay in that place is gone.
                unsafe {
                    self.place.write(value);
                    self.child.as_ref().holds.set(Holds::Value);
                }
                Settled::Value(())
            }
            Settled::Error(error) => Settled::Error(error),
            Settled::Reported => Settled::Reported,
        };
        *self.settled = Some(settled);
    }
}
