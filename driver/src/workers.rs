//! Threads for what can only be done by blocking.
//!
//! A [`WorkerPool`] starts threads on demand up to a bound. The thread that became idle last is used first, so
//! that the others can end; one that has been idle for some time ends. A job stays in the queue until a thread
//! takes it, and until then it can be removed again ([`JobHandle::take_back`]). A job that runs cannot be
//! stopped: whoever needs its end must wait for it.
//!
//! Queue, idle threads and counts are behind one mutex, so each decision (start a thread, wake one, end one)
//! sees the whole state. Jobs run outside of it.

#[cfg(all(test, loom))]
mod interleavings;
mod pool;
#[cfg(all(test, not(loom)))]
mod tests;

pub use pool::{Job, JobHandle, Refused, WorkerPool};
