//! Structured concurrency: scopes, time limits, shields, task groups and their children.

mod cancel_scope;
mod deadlines;
mod errors;
mod groups;
mod pending_cancellations;
mod shields;
mod start;
mod swallowed_cancellations;
mod task_handle;
mod task_locals;
