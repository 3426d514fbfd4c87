//! What a change of state leaves over for code of users.
//!
//! # Contract
//! Wakers of others are code of users: waking one and dropping one may run anything, call anything of this crate, and
//! panic. So they never run while a state is half changed. [`Core::change`] brackets a change: what is to be woken or
//! dropped meanwhile is kept here, and dealt with when the outermost change has ended, whether it returned or panicked,
//! each waker whatever the others do. The first panic goes on from there, with every state whole.
//!
//! Wakers get here by themselves: [`StoredWaker`](super::StoredWaker) is the only form in which the runtime keeps them,
//! and both of its ends, being woken and being dropped, lead here. What instruments are told goes the same way. Outside of every change they happen at once. No future
//! of users is polled within a change.

use super::{
    Core,
    panics::{FirstPanic, PanicPayload, dispose_of},
    telling::Event,
};
use std::{cell::Cell, task::Waker, thread};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Every state is whole.
    Idle,
    /// Within a change.
    Changing,
    /// The same, and something is left over.
    Due,
}

/// What is to be done with a waker, or told.
enum Left {
    Wake(Waker),
    Drop(Waker),
    Tell(Event),
}

pub(super) struct Aftermath {
    stage: Cell<Stage>,
    left: Cell<Vec<Left>>,
}

impl Aftermath {
    pub(super) const fn new() -> Self {
        Self { stage: Cell::new(Stage::Idle), left: Cell::new(Vec::new()) }
    }

    fn add(&self, left: Left) {
        if self.stage.get() == Stage::Idle {
            return left.run();
        }
        self.stage.set(Stage::Due);
        let mut all = self.left.take();
        all.push(left);
        self.left.set(all);
    }

    /// Ends the outermost change. Gives the first panic.
    #[inline]
    fn finish(&self) -> Option<PanicPayload> {
        if self.stage.replace(Stage::Idle) == Stage::Due { self.run() } else { None }
    }

    #[cold]
    fn run(&self) -> Option<PanicPayload> {
        let panics = FirstPanic::new();
        let mut all = self.left.take();
        for left in all.drain(..) {
            panics.catch(|| left.run());
        }
        // Changes that were made meanwhile have ended, too; the memory is for the next.
        self.left.set(all);
        panics.take()
    }
}

impl Left {
    fn run(self) {
        match self {
            Self::Wake(waker) => waker.wake(),
            Self::Drop(waker) => drop(waker),
            // Without a run there is nobody to tell.
            Self::Tell(event) => drop(Core::try_with(|core| core.tell_now(&event))),
        }
    }
}

/// The outermost change; ends it also if it panics.
struct Changing<'a>(&'a Aftermath);

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        // Dropped only by a panic, which is the first.
        if let Some(payload) = self.0.finish() {
            dispose_of(payload);
        }
    }
}

/// Lets a panic go on in place of a result, or gives that if another panic is on its way already.
#[cold]
fn go_on<R>(payload: PanicPayload, result: R) -> R {
    let panics = FirstPanic::of(payload);
    if thread::panicking() {
        return result;
    }
    panics.catch(|| drop(result));
    panics.resume();
    unreachable!("a panic goes on")
}

impl Core {
    /// Changes a state. Wakers of others that are woken or dropped by that are so after the outermost change has ended.
    ///
    /// # Panics
    /// If such a waker does, after the change and all other wakers.
    #[inline]
    pub(crate) fn change<R>(&self, change: impl FnOnce(&Self) -> R) -> R {
        let (result, panic) = self.change_catching(change);
        match panic {
            None => result,
            Some(payload) => go_on(payload, result),
        }
    }

    /// The same, and gives what the first waker has panicked with.
    #[inline]
    pub(crate) fn change_catching<R>(&self, change: impl FnOnce(&Self) -> R) -> (R, Option<PanicPayload>) {
        let aftermath = self.aftermath();
        if aftermath.stage.get() != Stage::Idle {
            return (change(self), None);
        }
        aftermath.stage.set(Stage::Changing);
        let changing = Changing(aftermath);
        let result = change(self);
        std::mem::forget(changing);
        (result, aftermath.finish())
    }

    /// Changes a state that may have outlived its run. Without a run nothing of the runtime's keeps wakers.
    #[inline]
    pub(crate) fn change_anywhere<R>(change: impl FnOnce() -> R) -> R {
        let mut change = Some(change);
        let changed = Self::try_with(|core| core.change(|_| change.take().map(|change| change())));
        match (changed.flatten(), change) {
            (Some(result), _) => result,
            (None, Some(change)) => change(),
            (None, None) => unreachable!("a change that was made has a result"),
        }
    }

    /// Wakes a waker that is not anyio's: now, or after the change that is being made.
    #[cold]
    pub(crate) fn wake_foreign(&self, waker: Waker) {
        self.aftermath().add(Left::Wake(waker));
    }

    /// Tells instruments something: now, or after the change that is being made.
    #[cold]
    pub(super) fn tell_afterwards(&self, event: Event) {
        self.aftermath().add(Left::Tell(event));
    }

    /// Drops a waker that is not anyio's: now, or after the change that is being made.
    #[cold]
    pub(super) fn drop_foreign(&self, waker: Waker) {
        self.aftermath().add(Left::Drop(waker));
    }
}
