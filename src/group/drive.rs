//! Polling a group: its body, and those of its children that are ready.

use super::{
    child::poll_task,
    core::{ChildHeader, GroupCore},
    errors::Errors,
};
use crate::runtime::{Core, FirstPanic, TaskEnd, TaskKey, TaskKind};
use std::{
    future::Future,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, Location, catch_unwind},
    pin::Pin,
    ptr::{self, NonNull},
    task::{Context, Poll},
};

/// The future of a group: ready when the body and all children have ended. Gives the body's result if it is a value or a
/// cancellation, and `None` if it was an error (which is with the group's errors) or a panic.
pub(super) struct Drive<'a, F, T, E> {
    group: &'a GroupCore,
    errors: &'a Errors<E>,
    body: Pin<&'a mut Option<F>>,
    result: Option<Result<T, E>>,
    has_waited: bool,
}

// Nothing in it is pinned by pinning it: the body is pinned where it lies.
impl<F, T, E> Unpin for Drive<'_, F, T, E> {}

impl<'a, F, T, E> Drive<'a, F, T, E>
where
    F: Future<Output = Result<T, E>>,
{
    /// # Safety
    /// The group does not move until all its children have been dropped, which happens before it goes.
    pub(super) unsafe fn new(
        group: &'a GroupCore,
        errors: &'a Errors<E>,
        body: Pin<&'a mut Option<F>>,
    ) -> Self {
        Self { group, errors, body, result: None, has_waited: false }
    }

    fn begin(&mut self, core: &Core) {
        self.group.run.set(Some(core.run()));
        // SAFETY: as above; the body's task is removed when the body ends or this is dropped.
        let task = unsafe { core.tasks().insert(&self.group.ready, ptr::null(), 0) };
        self.group.body.set(Some(task));
        if core.is_instrumented() {
            let host = self.group.ready.host_task();
            core.tell_of_start(task, TaskKind::GroupBody, host, &self.group.scope, None);
        }
    }

    fn poll_ready(&mut self, core: &Core) {
        let ready = &self.group.ready;
        // One is always affordable: a group may lie deeper in others than the budget reaches.
        let mut affordable = true;
        if !ready.charged.is_empty() && !ready.urgent.is_empty() {
            self.poll_left_over(core, &mut affordable);
        }
        while let Some((task, child)) =
            core.tasks().pop(&ready.urgent).or_else(|| self.pop_charged(core, &mut affordable))
        {
            self.poll_task(core, task, child);
        }
    }

    /// Polls what earlier turns had no budget for, each once and up to a half of the budget: the other half is for the urgent
    /// ones and what they bring about. Without this those would go first for ever.
    fn poll_left_over(&mut self, core: &Core, affordable: &mut bool) {
        let last = core.tasks().last(&self.group.ready.charged);
        let kept = core.keep_half_of_budget();
        while let Some((task, child)) = self.pop_charged(core, affordable) {
            self.poll_task(core, task, child);
            // What comes after it is ready again, or anew.
            if Some(task) == last {
                break;
            }
        }
        core.add_to_budget(kept);
    }

    #[inline]
    fn pop_charged(&self, core: &Core, affordable: &mut bool) -> Option<(TaskKey, *const ())> {
        let charged = &self.group.ready.charged;
        if charged.is_empty() || !(core.charge() || *affordable) {
            return None;
        }
        *affordable = false;
        core.tasks().pop(charged)
    }

    #[inline]
    fn poll_task(&mut self, core: &Core, task: TaskKey, child: *const ()) {
        match NonNull::new(child.cast_mut()) {
            // SAFETY: a task in a ready list of the group is a living child of it, and this is the group's poll.
            Some(child) => unsafe { poll_task(core, task, child.cast()) },
            None => self.poll_body(core, task),
        }
    }

    fn poll_body(&mut self, core: &Core, task: TaskKey) {
        let waker = ManuallyDrop::new(task.waker());
        let _step = core.begin_step(task);
        let polled = {
            let _current = (core.enter_scope(&self.group.scope), core.begin_task(task));
            catch_unwind(AssertUnwindSafe(|| match self.body.as_mut().as_pin_mut() {
                Some(body) => body.poll(&mut Context::from_waker(&waker)),
                None => Poll::Pending,
            }))
        };
        let ended = match polled {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(result)) => Ok(result),
            Err(payload) => Err(payload),
        };
        let panics = FirstPanic::new();
        {
            let _current = (core.enter_scope(&self.group.scope), core.begin_task(task));
            panics.catch(|| self.body.set(None));
        }
        let dropping = panics.is_some();
        let mut end = TaskEnd::Panicked;
        match ended {
            Ok(Ok(value)) => {
                end = TaskEnd::Finished;
                self.result = Some(Ok(value));
            }
            Ok(Err(error)) => {
                // An error that panics when it is asked is a real one.
                let stage = panics.catch(|| self.errors.stage_of(&error)).flatten();
                let scope = &self.group.scope;
                if stage.is_some() && (scope.is_effective() || scope.is_finishing()) {
                    end = TaskEnd::Cancelled;
                    self.result = Some(Err(error));
                } else {
                    end = TaskEnd::Failed;
                    self.errors.push(error);
                    panics.catch(|| self.group.fail(Location::caller()));
                }
            }
            Err(payload) => self.group.panicked(payload, Location::caller()),
        }
        if let Some(payload) = panics.take() {
            self.group.panicked(payload, Location::caller());
        }
        self.remove_body_task(if dropping { TaskEnd::Panicked } else { end });
    }

    fn remove_body_task(&mut self, how: TaskEnd) {
        if let Some(task) = self.group.body.take() {
            remove_task(self.group, task, how);
        }
    }
}

fn remove_task(group: &GroupCore, task: TaskKey, how: TaskEnd) {
    Core::try_with(|core| {
        if group.belongs_to(core) {
            core.tasks().remove(task);
            if core.is_instrumented() {
                core.tell_of_end(task, &group.scope, how);
            }
        }
    });
}

/// Polls a child for which the body of its group is about to wait, if nothing else of the group is to come before it and the
/// turn's budget allows it: then the body need not be woken for what ends at once.
///
/// # Safety
/// The caller owns a share in the child.
#[inline]
pub(super) unsafe fn poll_for_body(core: &Core, child: NonNull<ChildHeader>) {
    // SAFETY: the caller's promise.
    let header = unsafe { child.as_ref() };
    let Some(task) = header.task.get() else { return };
    let group = header.group();
    // In the body itself no child of the group is being polled, but the group is.
    let is_in_body = core.task().is_some() && core.task() == group.body.get();
    let ready = &group.ready;
    if is_in_body
        && ready.urgent.is_empty()
        && core.tasks().is_next(&ready.charged, task)
        && core.charge()
        && core.tasks().pop(&ready.charged).is_some()
    {
        // SAFETY: the child is on the list of its group, whose body is being polled, and not being polled itself.
        unsafe { poll_task(core, task, child) };
    }
}

impl<F, T, E> Future for Drive<'_, F, T, E>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Option<Result<T, E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        Core::with(|core| {
            let ready = &this.group.ready;
            // Code of users, so it comes before anything has begun.
            ready.set_host(cx.waker());
            let begins = this.group.run.get().is_none();
            if begins {
                this.begin(core);
            }
            assert!(
                this.group.belongs_to(core),
                "a task group was polled in another run than the one it began in"
            );
            // SAFETY: the group does not move, and the scope is linked no later than this poll ends.
            unsafe { this.group.scope.follow(core) };
            let polling = ready.begin_polling();
            if let (true, Some(task)) = (begins, this.group.body.get()) {
                this.poll_body(core, task);
            }
            this.poll_ready(core);
            drop(polling);
            if this.group.body.get().is_none() && this.group.live.get() == 0 {
                if this.has_waited {
                    return Poll::Ready(this.result.take());
                }
                // The end of a group lets others have their turn, even if there was nothing to wait for.
                cx.waker().wake_by_ref();
            } else if !ready.charged.is_empty() {
                // The budget is spent; the rest comes in the next turn.
                cx.waker().wake_by_ref();
            }
            this.has_waited = true;
            this.group.scope.link(core);
            Poll::Pending
        })
    }
}

impl<F, T, E> Drop for Drive<'_, F, T, E> {
    fn drop(&mut self) {
        // The body is dropped next, maybe after the run; no child can start from there.
        self.group.closed.set(true);
        if let Some(task) = self.group.body.take() {
            remove_task(self.group, task, TaskEnd::Dropped);
        }
    }
}
