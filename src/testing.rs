//! Means to test programs.

mod blocked;
mod run;

pub use blocked::wait_all_tasks_blocked;
#[doc(hidden)]
pub use run::{Verdict, run_test};
