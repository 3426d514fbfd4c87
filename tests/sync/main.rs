//! Primitives for the tasks of one run.

mod capacity_limiter;
mod condition;
mod event;
mod lock;
mod others;
mod semaphore;
