//! Task groups: tasks that belong together, in whose borrows the parent takes part, and that end together.

mod blocks;
mod child;
mod core;
mod drive;
mod errors;
mod gather;
mod gather_tuple;
mod gather_until;
mod handle;
mod outcome;
mod race;
mod race_tuple;
#[cfg(doctest)]
mod refused;
mod start;
mod status;
mod task_group;

pub use gather::{Completed, amap, as_completed, gather};
pub use gather_tuple::{FutureTuple, gather_tuple};
pub use gather_until::gather_until;
pub use handle::TaskHandle;
pub use outcome::Outcome;
pub use race::race;
pub use race_tuple::{RaceTuple, race_tuple};
pub use start::Started;
pub use status::{NoValue, TaskStatus};
pub use task_group::{TaskGroup, task_group};
