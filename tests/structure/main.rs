//! Structured concurrency: scopes, time limits, shields, task groups and their children.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]

#[path = "../peers/assert_receives.rs"]
mod assert_receives;
mod cancel_scope;
mod deadlines;
mod errors;
mod every_wait;
mod finishing;
mod groups;
mod instruments;
mod pending_cancellations;
#[path = "../peers/processor_time.rs"]
mod processor_time;
mod records;
mod shields;
mod start;
mod swallowed_cancellations;
mod task_handle;
mod task_locals;
