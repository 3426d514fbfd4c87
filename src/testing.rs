//! Means to test programs.

mod blocked;

pub use blocked::wait_all_tasks_blocked;
