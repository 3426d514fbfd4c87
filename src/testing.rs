//! Means to test programs.

mod blocked;
#[cfg(feature = "chaos")]
pub mod chaos;
mod conformance;
mod everywhere;
mod free_port;
mod harness;
mod lockstep_stream;
mod memory_stream;
mod object_conformance;
mod repeating;
mod sequencer;
mod tally;
mod tasks;

/// Makes a stream of its two halves in the fields `receive` and `send`, which have a field `stream` in common.
macro_rules! whole_stream {
    ($stream:ident, $receive_half:ident, $send_half:ident) => {
        impl ByteReceiveStream for $stream {
            async fn receive(&mut self) -> Result<Option<Chunk>> {
                self.receive.receive().await
            }

            async fn receive_at_most(&mut self, max_bytes: usize) -> Result<Option<Chunk>> {
                self.receive.receive_at_most(max_bytes).await
            }

            async fn receive_into<B: IoBufMut>(&mut self, buffer: B) -> (Result<usize>, B) {
                self.receive.receive_into(buffer).await
            }
        }

        impl ByteSendStream for $stream {
            async fn send_some<B: IoBuf>(&mut self, data: B) -> (Result<usize>, B) {
                self.send.send_some(data).await
            }

            async fn send_eof(&mut self) -> Result<()> {
                self.send.send_eof().await
            }
        }

        impl Split for $stream {
            type Receive = $receive_half;
            type Send = $send_half;

            fn split(self) -> ($receive_half, $send_half) {
                (self.receive, self.send)
            }

            fn reunite(
                receive: $receive_half,
                send: $send_half,
            ) -> Result<Self, ($receive_half, $send_half)> {
                let are_of_one = Rc::ptr_eq(&receive.stream, &send.stream);
                if are_of_one { Ok(Self { receive, send }) } else { Err((receive, send)) }
            }
        }
    };
}

use whole_stream;

pub use crate::runtime::{Deadlock, TaskId, TaskInfo, TaskKind, WaitReason};
pub use blocked::wait_all_tasks_blocked;
pub use conformance::{check_half_closeable_stream, check_one_way_stream, check_two_way_stream};
pub use everywhere::{Everywhere, EverywhereReport, cancel_everywhere};
pub use free_port::{free_tcp_port, free_udp_port};
#[doc(hidden)]
pub use harness::{Verdict, run_test, run_test_as_guest, test_backends};
pub use lockstep_stream::{
    LockstepByteReceiveHalf, LockstepByteSendHalf, LockstepByteStream, lockstep_stream_pair,
};
pub use memory_stream::{MemoryByteReceiveHalf, MemoryByteSendHalf, MemoryByteStream, memory_stream_pair};
pub use object_conformance::check_object_stream;
pub use sequencer::{Sequencer, SequencerTurn};
pub use tasks::{current_task, running_tasks};
