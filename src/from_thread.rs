//! From threads into a run.
//!
//! A function that was called by [`to_thread::run_sync`](crate::to_thread::run_sync) reaches back into its run with [`run`]
//! and [`run_sync`], and asks with [`check_cancelled`] whether it is still wanted:
//!
//! ```
//! use anyio::{Result, from_thread, sleep, to_thread};
//! use std::time::Duration;
//!
//! # anyio::run(async || -> Result<()> {
//! let slept = to_thread::run_sync(|| -> Result<&str> {
//!     from_thread::check_cancelled()?;
//!     from_thread::run(async || sleep(Duration::from_millis(1)).await)??;
//!     Ok("well")
//! })
//! .await??;
//! assert_eq!(slept, "well");
//! # Ok(()) }).unwrap();
//! ```
//!
//! Any other thread, also of a program that knows nothing of runs, uses a [`BlockingPortal`]:
//!
//! ```
//! use anyio::{Builder, Result, from_thread, sleep};
//! use std::time::Duration;
//!
//! let portal = from_thread::start_blocking_portal(&Builder::new())?;
//! let sum = portal.start_task_soon(async || -> Result<u32> {
//!     sleep(Duration::from_millis(1)).await?;
//!     Ok(6 * 7)
//! })?;
//! assert_eq!(portal.call(async || 1 + 1)?, 2);
//! assert_eq!(sum.wait()??, 42);
//! portal.close()?;
//! # anyio::Ok(())
//! ```

mod jobs;
mod portal;
mod provider;
mod resource;
mod running;
mod task;

pub use portal::{BlockingPortal, blocking_portal};
pub use provider::{BlockingPortalProvider, PortalLease};
pub use resource::PortalResource;
pub use running::{RunningPortal, start_blocking_portal};
pub use task::PortalTask;

use crate::{
    error::{Cancelled, Error, Result},
    to_thread::{
        host,
        request::{inheriting, request, value_of},
    },
};

/// From a worker thread: has the task that waits for this thread run something, and waits for what it gives.
///
/// It runs within the waiting task and its scopes: a cancellation of that task reaches it, and what it gives then is
/// its own answer to that.
///
/// # Errors
/// [`Error::NoRun`] if this thread was not called by [`to_thread::run_sync`](crate::to_thread::run_sync).
/// [`Error::Cancelled`] if nobody waits for this thread any more, because its call was abandoned or dropped, also
/// while the function runs, which is then dropped; and if the run is over.
///
/// # Panics
/// If the function does, with its panic.
pub fn run<T: Send + 'static>(function: impl AsyncFnOnce() -> T + Send + 'static) -> Result<T> {
    let host = host::current().ok_or(Error::NoRun)?;
    let (request, reply) = request(host.run(), function);
    host.ask(inheriting(request)).map_err(|_| Cancelled::new())?;
    Ok(value_of(reply.wait().ok_or_else(Cancelled::new)?))
}

/// From a worker thread: has a function called on the thread of the run, between two steps of the task that waits for
/// this thread, and waits for what it gives. It may not block.
///
/// # Errors
/// As for [`run`].
///
/// # Panics
/// If the function does, with its panic.
pub fn run_sync<T: Send + 'static>(function: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    run(async || function())
}

/// From a worker thread: whether what it does is still wanted.
///
/// Nobody can interrupt a function on a thread. One that takes long calls this now and then, and passes the error on.
///
/// ```
/// use anyio::{Result, from_thread, move_on_after, to_thread};
/// use std::{thread, time::Duration};
///
/// # anyio::run(async || -> Result<()> {
/// let endless = to_thread::run_sync(|| -> Result<()> {
///     loop {
///         from_thread::check_cancelled()?;
///         thread::sleep(Duration::from_millis(1));
///     }
/// });
/// assert!(move_on_after(Duration::from_millis(10), async { endless.await? }).await?.is_none());
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// [`Error::Cancelled`] if the scope of the task that waits for this thread is cancelled (a shield between protects it), or
/// if nobody waits any more. [`Error::NoRun`] if this thread was not called by
/// [`to_thread::run_sync`](crate::to_thread::run_sync).
pub fn check_cancelled() -> Result<()> {
    if host::current().ok_or(Error::NoRun)?.is_cancelled() {
        return Err(Cancelled::new().into());
    }
    Ok(())
}
