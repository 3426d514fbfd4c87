//! The driver contract kept on readiness and a few worker threads.
//!
//! [`PollDriver`] does for `anyio` on epoll, kqueue or poll what `anyio-uring` does on an io_uring. What works
//! on sockets, pipes and their like is attempted at once and, where it would block, again when the descriptor
//! is ready. What works on files and paths goes to threads of a
//! [`WorkerPool`](anyio_driver::workers::WorkerPool).
//!
//! # Edge-triggered readiness
//! Each descriptor is registered once, for both directions, edge-triggered, when an operation first has to wait
//! for it. Two bits per descriptor say whether it may be readable and writable. They begin as "may be", an
//! attempt that would block clears one, an event sets it. So a busy socket costs no registration, and an idle
//! one no failing attempt. A receive from a TCP socket that fills less than its buffer has drained the socket;
//! it clears the bit without a further attempt. That is sound because whatever arrives later is a new edge, and
//! it is not done after the peer's end of stream or urgent data has been seen, nor for kinds of socket which
//! keep boundaries between messages.
//!
//! # Numbers that are used again
//! What is known about a descriptor must not outlive it. The driver is told of departures by
//! [`Driver::forget`](anyio_driver::Driver::forget), and begins anew for each descriptor that it creates itself
//! (accept, open). Before waiting for a connect, an accept or a poll it makes sure that the
//! descriptor is registered. The other operations trust what they find, so whoever closes a descriptor that the
//! driver has worked on must report that with `forget`.

#![cfg(unix)]

mod attempt;
mod blocking;
mod descriptors;
mod driver;
mod fork;
mod host;
mod jobs;
mod opening;
mod operations;
mod options;
mod outcomes;
mod parked;
mod readiness;
mod selector;
mod system;

pub use driver::PollDriver;
pub use jobs::Jobs;
pub use options::Options;
