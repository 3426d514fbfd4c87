//! Primitives for the tasks of one run.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]

mod capacity_limiter;
mod condition;
mod event;
mod functools;
mod lock;
mod models;
mod others;
mod random_programs;
mod semaphore;
