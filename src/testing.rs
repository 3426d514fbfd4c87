//! Means to test programs.

mod blocked;
mod conformance;
mod harness;
mod lockstep_stream;
mod memory_stream;
mod object_conformance;
mod sequencer;
mod tasks;

pub use crate::runtime::{Deadlock, TaskId, TaskInfo, TaskKind, WaitReason};
pub use blocked::wait_all_tasks_blocked;
pub use conformance::{check_half_closeable_stream, check_one_way_stream, check_two_way_stream};
#[doc(hidden)]
pub use harness::{Verdict, run_test, test_backends};
pub use lockstep_stream::{LockstepByteStream, lockstep_stream_pair};
pub use memory_stream::{MemoryByteStream, memory_stream_pair};
pub use object_conformance::check_object_stream;
pub use sequencer::{Sequencer, SequencerTurn};
pub use tasks::{current_task, running_tasks};
