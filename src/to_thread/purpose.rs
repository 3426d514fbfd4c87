//! What threads are used for.
//!
//! Each purpose has threads and a limiter of its own, so that functions which block all that they may have keep none of the
//! others from going on: however many of a program's functions wait for something, its files, names and processes do not.

use crate::{lowlevel::RunVar, sync::CapacityLimiter};
use anyio_driver::workers::WorkerPool;
use std::{
    num::NonZeroUsize,
    rc::Rc,
    sync::{LazyLock, OnceLock},
};

/// What a thread is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Functions of the program.
    Program,
    /// Calls on files and folders that drivers do not know.
    Files,
    /// Looking up names of hosts and users, for which servers may be asked.
    Names,
    /// Waiting for other programs, for as long as that takes.
    Waiting,
}

type Limiter = RunVar<Rc<CapacityLimiter>>;

const fn limiter(new: fn() -> Limiter) -> LazyLock<Limiter> {
    LazyLock::new(new)
}

/// How many functions of each kind a run has threads for, unless the program chooses another number for its own.
const USUAL: usize = 40;

/// How many functions that wait a run has threads for.
const WAITING: usize = 1000;

/// The bounds of the pools, which all runs of the process share. They are high since jobs may wait for each other.
const MOST_THREADS: NonZeroUsize = NonZeroUsize::new(512).unwrap();
const MOST_WAITING_THREADS: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

impl Purpose {
    /// The threads that all runs of the process use for this.
    pub(super) fn pool(self) -> &'static WorkerPool {
        static POOLS: [OnceLock<WorkerPool>; 4] = [const { OnceLock::new() }; 4];
        POOLS[self as usize].get_or_init(|| {
            WorkerPool::new(if self == Self::Waiting { MOST_WAITING_THREADS } else { MOST_THREADS })
        })
    }

    /// What limits how many threads this run uses for this at a time.
    pub(super) fn limiter(self) -> Rc<CapacityLimiter> {
        Rc::clone(&self.variable().get().expect("the limiter has a default"))
    }

    /// Has another limiter from now on, which may be that of something else as well.
    pub(super) fn set_limiter(self, limiter: &Rc<CapacityLimiter>) {
        drop(self.variable().set(Rc::clone(limiter)));
    }

    fn variable(self) -> &'static Limiter {
        static LIMITERS: [LazyLock<Limiter>; 4] = [
            limiter(|| RunVar::new().with_default(|| Rc::new(CapacityLimiter::new(USUAL)))),
            limiter(|| RunVar::new().with_default(|| Rc::new(CapacityLimiter::new(USUAL)))),
            limiter(|| RunVar::new().with_default(|| Rc::new(CapacityLimiter::new(USUAL)))),
            limiter(|| RunVar::new().with_default(|| Rc::new(CapacityLimiter::new(WAITING)))),
        ];
        &LIMITERS[self as usize]
    }
}
