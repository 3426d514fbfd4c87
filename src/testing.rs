//! Means to test programs.

mod blocked;
mod harness;

pub use blocked::wait_all_tasks_blocked;
#[doc(hidden)]
pub use harness::{Verdict, run_test};
