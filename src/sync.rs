//! Means for the tasks of one run to wait for each other.
//!
//! Everything here stays on its thread and uses no atomic operations. It may be made before a run begins and used in
//! several runs, one after the other.
//!
//! Each wait is a checkpoint: a cancelled scope ends it with [`Cancelled`](crate::Cancelled), also where there is
//! nothing to wait for. Waits end in the order in which they began, and what becomes free is handed to the first who
//! waits at once, so nobody can come in between. Whoever was handed something and is dropped before they run hands it
//! on, so nothing is lost.

mod barrier;
mod capacity_limiter;
mod condition;
mod event;
mod lock;
mod once;
mod once_cell;
mod promise;
mod resource_guard;
mod rw_lock;
mod semaphore;
pub(crate) mod waiting;

pub use barrier::{Barrier, BarrierStatistics};
pub use capacity_limiter::{Borrower, CapacityLimiter, CapacityLimiterStatistics, CapacityToken};
pub use condition::{Condition, ConditionStatistics, WaitCancelled};
pub use event::{Event, EventStatistics};
pub use lock::{Lock, LockGuard, LockStatistics};
pub use once::{Once, OnceStatistics};
pub use once_cell::{OnceCell, OnceCellStatistics};
pub use promise::{Promise, PromiseStatistics, PromiseStatus};
pub use resource_guard::{ResourceGuard, ResourceInUse};
pub use rw_lock::{ReadGuard, RwLock, RwLockStatistics, WriteGuard};
pub use semaphore::{Semaphore, SemaphorePermit, SemaphoreStatistics};

pub(crate) use capacity_limiter::Acquire;
pub(crate) use waiting::Waiting;
