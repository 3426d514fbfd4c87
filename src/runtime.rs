//! The executor: one thread, one driver.

mod aftermath;
mod autojump;
pub(crate) mod backend;
mod bequest;
pub(crate) mod calls;
pub(crate) mod clock;
mod closing;
mod companions;
mod context;
mod core;
mod deadlock;
mod descriptor;
pub(crate) mod inbox;
mod instrument;
mod load;
mod numbered;
pub(crate) mod observation;
mod operation;
mod orphans;
mod outbox;
mod panics;
mod queue;
mod ready_queue;
mod run_id;
mod scope;
#[cfg(feature = "chaos")]
mod shuffle;
#[cfg(not(feature = "chaos"))]
#[path = "runtime/no_shuffle.rs"]
mod shuffle;
#[cfg(feature = "tracing")]
mod spans;
#[cfg(not(feature = "tracing"))]
#[path = "runtime/no_spans.rs"]
mod spans;
mod task_info;
mod tasks;
mod telling;
mod until_ready;
mod variables;
mod wait_reason;
mod waiting;
mod waits;
mod waker;
mod watched;
mod wheel;

pub use backend::Backend;
pub use clock::Clock;
pub use deadlock::Deadlock;
pub use instrument::{Instrument, ScopeCancelled, ScopeId, TaskEnd, TaskStart};
pub use scope::{CancelReason, ReasonKind, RemoteScope, Scope};
pub use task_info::{TaskId, TaskInfo, TaskKind};
pub use wait_reason::WaitReason;

pub(crate) use self::core::{Core, Lending};
pub(crate) use companions::{Companion, announce};
pub(crate) use context::{Bindings, InContext, Within};
pub(crate) use descriptor::Descriptor;
pub(crate) use inbox::Blocked;
pub(crate) use load::{Counted, Lately, Load};
pub(crate) use operation::{Answer, Operation, Payload, Refusal, abandon};
pub(crate) use orphans::Disposer;
pub(crate) use outbox::{Last, Piece, PieceState};
pub(crate) use panics::{EachDropped, FirstPanic, PanicPayload, dispose_of, drop_each, text_in, text_of};
pub(crate) use queue::{WaitQueue, Waiter, Woken, nothing_to_do, poll_nothing_to_do};
pub(crate) use ready_queue::{Described, ReadyQueue};
pub(crate) use run_id::RunId;
pub(crate) use scope::{Absorbed, Deadline, Stopping};
pub(crate) use shuffle::Shuffle;
pub(crate) use spans::InheritedSpan;
pub(crate) use telling::MakeInstrument;
pub(crate) use until_ready::{Readiness, UntilReady};
pub(crate) use waiting::{Blocking, Waiting};
pub(crate) use waits::{Next, Outcome, Standing, WaitKey, WaitKind, WaitState};
pub(crate) use waker::{StoredWaker, TaskKey};
pub(crate) use watched::{Direction, Place, Watch};

/// No wait slot.
pub(crate) const NO_WAIT: u32 = wheel::NONE;

/// So many results of one operation may wait for their stream before the operation is stopped.
pub(crate) const MAX_QUEUED_RESULTS: usize = 8;

/// The same of messages, which come in bursts of many small ones.
pub(crate) const MAX_QUEUED_MESSAGES: usize = 128;
