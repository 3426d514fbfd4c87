//! Primitives for the tasks of one run.

mod capacity_limiter;
mod condition;
mod event;
mod functools;
mod lock;
mod models;
mod others;
mod random_programs;
mod semaphore;
