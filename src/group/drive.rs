//! Polling a group: its body, and those of its children that are ready.

use super::{
    child,
    core::{ChildHeader, GroupCore},
    errors::Errors,
};
use crate::runtime::{Core, TaskKey};
use std::{
    future::Future,
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind},
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
    task: Option<TaskKey>,
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
        Self { group, errors, body, task: None, result: None, has_waited: false }
    }

    fn begin(&mut self, core: &Core) {
        self.group.run.set(Some(core.run()));
        // SAFETY: the group does not move, and the scope is linked no later than this poll ends.
        unsafe { self.group.scope.enter(core, core.scope()) };
        // SAFETY: as above; the body's task is removed when the body ends or this is dropped.
        self.task = Some(unsafe { core.tasks().insert(&self.group.ready, ptr::null(), 0) });
    }

    fn poll_ready(&mut self, core: &Core) {
        let ready = &self.group.ready;
        // One is always affordable: a group may lie deeper in others than the budget reaches.
        let mut affordable = true;
        loop {
            let next = core.tasks().pop(&ready.urgent).or_else(|| {
                if !ready.charged.is_empty() && (core.charge() || affordable) {
                    affordable = false;
                    core.tasks().pop(&ready.charged)
                } else {
                    None
                }
            });
            let Some((task, child)) = next else { return };
            match NonNull::new(child.cast_mut()) {
                Some(child) => poll_child(core, task, child.cast()),
                None => self.poll_body(core, task),
            }
        }
    }

    fn poll_body(&mut self, core: &Core, task: TaskKey) {
        let waker = ManuallyDrop::new(task.waker());
        let _scope = core.enter_scope(&self.group.scope);
        let outer = core.begin_task(task);
        let polled = catch_unwind(AssertUnwindSafe(|| match self.body.as_mut().as_pin_mut() {
            Some(body) => body.poll(&mut Context::from_waker(&waker)),
            None => Poll::Pending,
        }));
        core.end_task(outer);
        let ended = match polled {
            Ok(Poll::Pending) => return,
            Ok(Poll::Ready(result)) => Ok(result),
            Err(payload) => Err(payload),
        };
        let dropped = catch_unwind(AssertUnwindSafe(|| self.body.set(None)));
        match ended {
            Ok(Err(error)) if !self.errors.is_cancellation(&error) || !self.group.scope.is_effective() => {
                self.errors.push(error);
                self.group.fail();
            }
            Ok(result) => self.result = Some(result),
            Err(payload) => self.group.panicked(payload),
        }
        if let Err(payload) = dropped {
            self.group.panicked(payload);
        }
        self.remove_body_task();
    }

    fn remove_body_task(&mut self) {
        if let Some(task) = self.task.take() {
            Core::try_with(|core| {
                if self.group.belongs_to(core) {
                    core.tasks().remove(task);
                }
            });
        }
    }
}

fn poll_child(core: &Core, task: TaskKey, child: NonNull<ChildHeader>) {
    let waker = ManuallyDrop::new(task.waker());
    let outer = core.begin_task(task);
    // SAFETY: a task in a ready list of the group is a living child of it, and this is the group's poll.
    unsafe { child::poll(child, core, &mut Context::from_waker(&waker)) };
    core.end_task(outer);
}

impl<F, T, E> Future for Drive<'_, F, T, E>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Option<Result<T, E>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        Core::with(|core| {
            let begins = this.group.run.get().is_none();
            if begins {
                this.begin(core);
            }
            assert!(
                this.group.belongs_to(core),
                "a task group was polled in another run than the one it began in"
            );
            let ready = &this.group.ready;
            ready.set_host(cx.waker());
            ready.set_polling(true);
            if let (true, Some(task)) = (begins, this.task) {
                this.poll_body(core, task);
            }
            this.poll_ready(core);
            ready.set_polling(false);
            if this.task.is_none() && this.group.live.get() == 0 {
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
        if let Some(task) = self.task.take() {
            Core::try_with(|core| {
                if self.group.belongs_to(core) {
                    core.tasks().remove(task);
                }
            });
        }
    }
}
