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
