//! Locks, atomics and threads for what several threads share without much ceremony: those of the standard library, or,
//! with `--cfg loom`, those with which the tests of `ci/loom.sh` try all interleavings.

#[cfg(loom)]
mod model;

#[cfg(not(loom))]
pub use std::{
    sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, fence},
    },
    thread,
};

#[cfg(loom)]
pub use model::{
    AtomicBool, AtomicU64, AtomicUsize, Condvar, Mutex, MutexGuard, Parker, explore, fence, thread,
};
