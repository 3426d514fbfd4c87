//! Means to test programs.

mod blocked;
mod harness;
mod memory_stream;

pub use blocked::wait_all_tasks_blocked;
#[doc(hidden)]
pub use harness::{Verdict, run_test};
pub use memory_stream::{MemoryByteStream, memory_stream_pair};
