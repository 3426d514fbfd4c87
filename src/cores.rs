//! One run on each of several cores, and what they do together.
//!
//! Tasks never move between cores, and neither do connections once their handler has begun. So the work is spread where
//! it comes in: [`Core::listen`] gives each core a share of one listener, which puts each connection on a core that has
//! little to do. What is to be done on a certain core is sent there: [`Core::run`] and [`TaskGroup::spawn_on`] await it as
//! if it were done here, [`Core::broadcast`] has all cores do it, and [`PerCore`] is a value that each core has of its own.
//! For channels between cores there is [`cross`](crate::cross).
//!
//! ```
//! use anyio::{Core, Result, cores::PerCore, run_on_cores};
//! use std::cell::Cell;
//!
//! static VISITS: PerCore<Cell<u32>> = PerCore::new(|| Cell::new(0));
//!
//! let visits = run_on_cores(2, async |core: &Core| -> Result<u32> {
//!     if core.index() != 0 {
//!         return Ok(0);
//!     }
//!     for core in core.all() {
//!         VISITS.on(&core, |visits| visits.set(visits.get() + 1)).await?;
//!     }
//!     Ok(VISITS.on_each(core, Cell::get).await?.iter().sum())
//! })?;
//! assert_eq!(visits, Some(vec![2, 0]));
//! # Result::<(), anyio::ErrorGroup<anyio::Error>>::Ok(())
//! ```
//!
//! [`TaskGroup::spawn_on`]: crate::TaskGroup::spawn_on

mod balance;
mod broadcast;
mod call;
mod core;
mod exchange;
mod extent;
mod listener;
mod mailbox;
mod per_core;
#[cfg(not(target_os = "linux"))]
#[path = "cores/no_pinning.rs"]
mod pinning;
#[cfg(target_os = "linux")]
mod pinning;
mod run;
mod set;
mod sharing;
mod spawn;

pub use self::core::Core;
pub use listener::{CoreListener, SharedListener};
pub use per_core::PerCore;
pub use run::run_on_cores;
