//! Wakers without a reference count.
//!
//! # Contract
//! A waker of anyio's own tasks is three numbers in the space of a pointer: executor, generation and index of the
//! task's slot. It owns nothing, so cloning is copying and dropping is nothing, on any thread, at any time, also
//! after the task or the executor is gone. Waking on the executor's own thread changes the task's state in place;
//! from elsewhere the numbers go to the executor's inbox, which is never freed. A waker that is out of date
//! wakes, at worst, another task for nothing: tasks are told apart by 16 bits of generation, and spurious wakes
//! are allowed.

use super::{Core, inbox};
use std::{
    num::NonZeroU64,
    task::{RawWaker, RawWakerVTable, Waker},
};

#[cfg(not(target_pointer_width = "64"))]
compile_error!("anyio's wakers need pointers of 64 bits");

/// Names a task of any executor in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TaskKey(NonZeroU64);

impl TaskKey {
    /// Indices go up to here.
    pub(super) const LAST_INDEX: u32 = u32::MAX >> 1;

    /// `index` is at most [`LAST_INDEX`](Self::LAST_INDEX).
    #[inline]
    pub(crate) fn new(executor: u16, generation: u16, index: u32) -> Self {
        // The lowest bit is always set, so that an optional name takes no more room.
        Self(NonZeroU64::MIN | ((executor as u64) << 48 | (generation as u64) << 32 | (index as u64) << 1))
    }

    #[inline]
    pub(crate) const fn executor(self) -> u16 {
        (self.0.get() >> 48) as u16
    }

    #[inline]
    pub(crate) const fn generation(self) -> u16 {
        (self.0.get() >> 32) as u16
    }

    #[inline]
    pub(crate) const fn index(self) -> u32 {
        self.0.get() as u32 >> 1
    }

    /// The name as one number.
    #[inline]
    pub(crate) const fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// The task with this number, which is not 0.
    #[inline]
    pub(crate) fn from_bits(bits: u64) -> Option<Self> {
        NonZeroU64::new(bits).map(Self)
    }

    /// A waker for this task.
    #[inline]
    pub(crate) fn waker(self) -> Waker {
        let data = std::ptr::without_provenance(self.to_bits() as usize);
        // SAFETY: the functions of the table uphold what a waker promises, for any numbers: see the contract.
        unsafe { Waker::from_raw(RawWaker::new(data, &TABLE)) }
    }

    /// The task that this waker wakes, if it is one of anyio's.
    #[inline]
    pub(crate) fn of(waker: &Waker) -> Option<Self> {
        if std::ptr::eq(waker.vtable(), &TABLE) { Self::from_bits(waker.data().addr() as u64) } else { None }
    }

    /// Wakes the task, from any thread.
    #[inline]
    pub(crate) fn wake(self) {
        let woken = Core::try_with(|core| {
            let here = core.id() == self.executor();
            if here {
                core.wake_by_waker(self);
            }
            here
        });
        if woken != Some(true) {
            inbox::of(self.executor()).push(inbox::Message::Wake(self));
        }
    }
}

fn wake(data: *const ()) {
    if let Some(task) = TaskKey::from_bits(data.addr() as u64) {
        task.wake();
    }
}

static TABLE: RawWakerVTable = RawWakerVTable::new(|data| RawWaker::new(data, &TABLE), wake, wake, |_| {});

/// A waker kept for later, or none. One that is not anyio's is dropped when no state is half changed: see [`Core::change`].
#[derive(Debug, Default)]
#[must_use = "dropping a waker is code of users: it comes last"]
pub(crate) struct StoredWaker(Option<Waker>);

/// Who is to be woken. What belongs to an own task is woken without indirect calls.
pub(crate) enum Wakee {
    Nobody,
    Task(TaskKey),
    Foreign(Waker),
}

impl StoredWaker {
    pub(crate) const NONE: Self = Self(None);

    /// Keeps the waker of an own task from now on; false, and nothing is done, if it is another, or if another is kept
    /// that would have to be dropped.
    #[inline]
    pub(crate) fn keep_task_of(&mut self, waker: &Waker) -> bool {
        let kept_is_own = self.0.as_ref().is_none_or(|kept| TaskKey::of(kept).is_some());
        match TaskKey::of(waker).filter(|_| kept_is_own) {
            Some(task) => {
                std::mem::forget(self.0.replace(task.waker()));
                true
            }
            None => false,
        }
    }

    /// Keeps a waker. If it is not one of anyio's, this clones it, which is code of users.
    #[inline]
    pub(crate) fn of(waker: &Waker) -> Self {
        Self(Some(TaskKey::of(waker).map_or_else(|| waker.clone(), TaskKey::waker)))
    }

    /// Whether this waker is kept.
    #[inline]
    pub(crate) fn is(&self, waker: &Waker) -> bool {
        self.0.as_ref().is_some_and(|kept| kept.will_wake(waker))
    }

    #[inline]
    pub(crate) fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// The own task that is to be woken, if it is one.
    pub(crate) fn task(&self) -> Option<TaskKey> {
        self.0.as_ref().and_then(TaskKey::of)
    }

    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        Self(self.0.take())
    }

    /// The waker itself.
    pub(super) fn into_waker(mut self) -> Option<Waker> {
        self.0.take()
    }

    /// Who is to be woken.
    #[inline]
    pub(crate) fn into_wakee(mut self) -> Wakee {
        let Some(waker) = self.0.take() else { return Wakee::Nobody };
        match TaskKey::of(&waker) {
            Some(task) => {
                std::mem::forget(waker);
                Wakee::Task(task)
            }
            None => Wakee::Foreign(waker),
        }
    }
}

impl Drop for StoredWaker {
    #[inline]
    fn drop(&mut self) {
        let Some(waker) = self.0.take() else { return };
        if TaskKey::of(&waker).is_some() {
            // An own one owns nothing, so the call through its table is spared.
            std::mem::forget(waker);
        } else {
            drop_foreign(waker);
        }
    }
}

#[cold]
fn drop_foreign(waker: Waker) {
    let mut waker = Some(waker);
    Core::try_with(|core| waker.take().map(|waker| core.drop_foreign(waker)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_travel_through_a_waker() {
        let task = TaskKey::new(3, u16::MAX, TaskKey::LAST_INDEX);
        assert_eq!(TaskKey::of(&task.waker()), Some(task));
        assert_eq!((task.executor(), task.generation(), task.index()), (3, u16::MAX, TaskKey::LAST_INDEX));
        assert!(task.waker().will_wake(&task.waker().clone()));
        assert_eq!(TaskKey::of(Waker::noop()), None);
    }

    #[test]
    fn a_waker_works_on_other_threads_after_its_executor_is_gone() {
        let waker = TaskKey::new(inbox::Lease::new().unwrap().id(), 0, 9).waker();
        std::thread::spawn(move || {
            waker.wake_by_ref();
            waker.wake();
        })
        .join()
        .unwrap();
    }
}
