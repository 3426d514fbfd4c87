//! The contract between anyio's runtime and the drivers that do its I/O.
//!
//! A driver takes [`Op`]s, plain values that name raw descriptors and raw memory, and answers each with
//! exactly one final [`Completion`]. It knows nothing of futures, tasks or scopes. The runtime above knows
//! nothing of submission queues or readiness. `anyio-uring` keeps the contract on an io_uring,
//! `anyio-fallback` keeps it on readiness (epoll, kqueue, poll) and worker threads.
//!
//! The rules, the same for each driver:
//!
//! 1. Every operation has exactly one final completion (one without [`CompletionFlags::MORE`]), cancelled or
//!    not. Only that frees the memory and the descriptors which the operation named.
//! 2. A [`Token`] is an index with a generation, never a pointer. The caller gives tokens out and does not use
//!    one again before its final completion.
//! 3. A cancel is never lost. It is a request and never the last word.
//! 4. What succeeded is reported as a success even when a cancel was on its way. `ECANCELED` means that the
//!    operation did not happen, and so does `EINTR`.
//! 5. Completions are only handed out when the caller asks: by [`Driver::turn`], or by [`Driver::take_answer`] for
//!    an operation that was done as it was submitted.
//!
//! What does not wait the runtime asks the system itself. Each such [`Call`] is told to a driver that wants to hear of it
//! ([`Driver::before_call`]), which may rule that it fails, or transfers less.
//!
//! Users of anyio do not need this crate; the buffer traits and [`Chunk`] are exported by `anyio` itself.

mod buffer;
mod call;
mod completion;
mod interruption;
mod message;
mod operation;
mod outgoing;
mod planted;
mod pool;
#[cfg(target_arch = "x86_64")]
mod prefetch;
#[cfg(not(target_arch = "x86_64"))]
#[path = "no_prefetch.rs"]
mod prefetch;
mod send_now;
mod statistics;
#[doc(hidden)]
pub mod synchronization;
#[doc(hidden)]
pub mod testing;
mod token;
mod traits;
mod unpark;
pub mod workers;

pub use buffer::{Held, IoBuf, IoBufMut, Slice};
pub use call::{Call, CallKind, Ruling};
pub use completion::{BufferId, Completion, CompletionFlags};
pub use interruption::is_interruption;
pub use message::{LONGEST_MESSAGE, MessageHead, MessageLayout};
pub use operation::{FileStatus, Op, OpKind};
pub use outgoing::{MOST_SENT_NOW, Outgoing, send_several_now};
#[doc(hidden)]
pub use planted::planted;
pub use pool::{BufferPool, Chunk, PoolStatistics};
pub use prefetch::prefetch;
pub use send_now::send_now;
pub use statistics::DriverStatistics;
pub use token::Token;
pub use traits::{Capabilities, Driver, Rest, Wait};
pub use unpark::{Unpark, Unparker};
