//! Waking tasks, whoever asks for it.

use super::{Core, MainReady};
use crate::runtime::waker::{StoredWaker, TaskKey, Wakee};
use std::task::Waker;

impl Core {
    /// Whether what is woken now is woken by a completion, a timer or another thread.
    #[inline]
    pub(crate) fn is_dispatching(&self) -> bool {
        self.dispatching.get()
    }

    #[inline]
    pub(crate) fn wake_task(&self, task: TaskKey) {
        self.tasks.wake(self, task);
    }

    /// Wakes a task as one of its wakers does.
    #[inline]
    pub(in crate::runtime) fn wake_by_waker(&self, task: TaskKey) {
        if self.unheard.get() != Some(task) {
            self.wake_task(task);
        }
    }

    #[inline]
    pub(crate) fn wake_main(&self, urgent: bool) {
        if urgent {
            self.main_ready.set(MainReady::Urgent);
        } else if self.main_ready.get() == MainReady::No {
            self.main_ready.set(MainReady::Charged);
        }
    }

    /// Wakes a waker that is likely one of this executor's tasks.
    #[inline]
    pub(crate) fn wake_by_ref(&self, waker: &Waker) {
        match TaskKey::of(waker) {
            Some(task) if task.executor() == self.id() => self.wake_task(task),
            _ => waker.wake_by_ref(),
        }
    }

    /// Wakes what a wait has stored.
    #[inline]
    pub(crate) fn wake_stored(&self, waker: StoredWaker) {
        match waker.into_wakee() {
            Wakee::Nobody => {}
            Wakee::Task(task) if task.executor() == self.id() => self.wake_task(task),
            Wakee::Task(task) => task.wake(),
            Wakee::Foreign(waker) => self.wake_foreign(waker),
        }
    }

    /// Says that the main task is over, and nothing more is to be polled.
    pub(crate) fn end_main(&self) {
        self.main_ready.set(MainReady::No);
    }
}

/// While this lives the wakers of the task that was current when it began wake nothing. What the run itself wakes the task for is
/// heard.
pub(crate) struct Unheard<'a> {
    core: &'a Core,
    before: Option<TaskKey>,
}

impl Core {
    /// Has the wakers of the current task wake nothing, as long as the guard lives.
    #[inline]
    pub(in crate::runtime) fn begin_unheard(&self) -> Unheard<'_> {
        Unheard { core: self, before: self.unheard.replace(self.task.get()) }
    }
}

impl Drop for Unheard<'_> {
    #[inline]
    fn drop(&mut self) {
        self.core.unheard.set(self.before);
    }
}
