//! Runs as guests of tokio.

use crate::TokioHost;
use anyio::Builder;
use std::{future::Future, io};
use tokio::{
    runtime::{self, LocalOptions},
    task,
};

/// Runs a program on this thread with tokio at its side: an ordinary run of anyio, in which everything of tokio's works as well.
/// The tasks of both take turns in this one thread.
///
/// In all of `main` there is a runtime of tokio's, with its clock, its sockets, and `tokio::spawn` as well as
/// `tokio::task::spawn_local`. So libraries that are made for tokio run in tasks of anyio as they are. A scope gives up what
/// they wait for as it does everything: their futures are dropped. Around one that does not look for cancellations itself put
/// [`anyio::foreign`].
///
/// ```
/// use std::time::Duration;
///
/// let answer = anyio_tokio::run(&anyio::Builder::new(), async || {
///     let there = tokio::spawn(async {
///         tokio::time::sleep(Duration::from_millis(1)).await;
///         42
///     });
///     anyio::sleep(Duration::from_millis(1)).await?;
///     anyio::Ok(there.await.unwrap())
/// })?;
/// assert_eq!(answer?, 42);
/// # anyio::Ok(())
/// ```
///
/// Deadlines of anyio's are on its own clock, also while tokio's is [paused](https://docs.rs/tokio/latest/tokio/time/fn.pause.html).
///
/// Tasks of tokio's end with the run, as they do when a runtime of tokio's is dropped.
///
/// # Errors
/// As for [`Builder::run`], and if tokio cannot be set up.
///
/// # Panics
/// If `main` does, after everything was torn down; and within a runtime of tokio's, where [`guest`] is what is wanted.
pub fn run<T>(builder: &Builder, main: impl AsyncFnOnce() -> T) -> io::Result<T> {
    let runtime = runtime::Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(task::unconstrained(builder.run_as_guest(TokioHost::beside_tasks, main)))
}

/// Runs a program of anyio's as one future in a program of tokio's, which may so be moved over piece by piece. See [`run`] for
/// what works in it.
///
/// ```
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> std::io::Result<()> {
///     let sum = anyio_tokio::guest(&anyio::Builder::new(), async || {
///         let both = anyio::gather([1, 2].map(|number| async move { anyio::Ok(number) })).await;
///         both.unwrap().iter().sum::<i32>()
///     });
///     assert_eq!(sum.await?, 3);
///     Ok(())
/// }
/// ```
///
/// The future stays on its thread, so it goes to `block_on` (which is where the body of `#[tokio::main]` is, also if there are
/// more threads), or to `spawn_local`. A thread has one run at a time. While the run waits, other tasks of the thread may use what
/// belongs to it: set an event, send through a channel, or even sleep by its clock.
///
/// # Cancel safety
/// As for [`Builder::run_as_guest`]: a future that is dropped blocks the thread until the kernel has let go of everything.
///
/// # Errors
/// As for [`Builder::run`]. If another run has this thread.
///
/// # Panics
/// If `main` does, after everything was torn down. Outside of a runtime of tokio's, or if that is built without `enable_io` or
/// `enable_time`.
pub fn guest<T, M>(builder: &Builder, main: M) -> impl Future<Output = io::Result<T>> + use<T, M>
where
    M: AsyncFnOnce() -> T,
{
    // What tokio allows to its tasks in one poll would otherwise be used up for all tasks of the run together.
    task::unconstrained(builder.run_as_guest(TokioHost::new, main))
}
