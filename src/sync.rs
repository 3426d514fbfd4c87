//! Means for the tasks of one run to wait for each other.
//!
//! Everything here stays on its thread and uses no atomic operations; what crosses threads is in
//! [`cross`](crate::cross). It may be made before a run begins and used in several runs, one after the other.
//!
//! Each wait is a checkpoint: a cancelled scope ends it with [`Cancelled`](crate::Cancelled), also where there is
//! nothing to wait for. Waits end in the order in which they began, and what becomes free is handed to the first who
//! waits at once, so nobody can come in between. Whoever was handed something and is dropped before they run hands it
//! on, so nothing is lost.

mod event;
pub(crate) mod waiting;

pub use event::{Event, EventStatistics};
