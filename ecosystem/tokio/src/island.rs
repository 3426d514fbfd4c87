//! Tokio on a thread of its own.

use anyio::{Error, Result, foreign, shield};
use std::{
    future::Future,
    io,
    panic::resume_unwind,
    sync::{Mutex, PoisonError},
};
use tokio::{
    runtime::{self, Handle, Runtime},
    task::{JoinError, JoinHandle},
};

/// Has tokio do something on a thread of its own, and gives what comes of it. For programs of anyio's that need something of
/// tokio's now and then, and are no [guests](crate::run): each answer costs two switches between threads, and the future has to
/// be `Send`.
///
/// The thread begins with the first call and serves all of the process. It has tokio's clock and sockets.
///
/// ```
/// use std::time::Duration;
///
/// anyio::run(async || {
///     let answer = anyio_tokio::in_tokio(async {
///         tokio::time::sleep(Duration::from_millis(1)).await;
///         42
///     });
///     assert_eq!(answer.await?, 42);
///     anyio::Ok(())
/// })?;
/// # anyio::Ok(())
/// ```
///
/// # Errors
/// [`Error::Cancelled`] if the scope is cancelled before the future is ready. [`Error::Io`] if the thread cannot be had.
///
/// # Cancel safety
/// When the scope is cancelled the future is dropped on tokio's thread, and that is awaited: nothing of it goes on
/// afterwards. What it gives in spite of that comes out. If this is dropped without having been cancelled, the future is
/// dropped a little later.
///
/// # Panics
/// If the future does, with its panic.
pub async fn in_tokio<F>(future: F) -> Result<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    let mut there = There(handle()?.spawn(future));
    match foreign(&mut there.0).await {
        Ok(ended) => ended.map_err(gone),
        Err(cancelled) => {
            there.0.abort();
            match shield(&mut there.0).await {
                Err(error) if error.is_cancelled() => Err(cancelled.into()),
                ended => ended.map_err(gone),
            }
        }
    }
}

/// A future on tokio's thread, which is dropped when this is.
struct There<T>(JoinHandle<T>);

impl<T> Drop for There<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Why there is no value although nobody has cancelled: a panic, which goes on here, or the end of the process.
fn gone(error: JoinError) -> Error {
    match error.try_into_panic() {
        Ok(payload) => resume_unwind(payload),
        Err(error) => Error::Io(io::Error::other(error)),
    }
}

/// The runtime on that thread.
fn handle() -> Result<Handle> {
    static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);
    let mut runtime = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = match &mut *runtime {
        Some(runtime) => runtime,
        none => {
            let mut builder = runtime::Builder::new_multi_thread();
            builder.worker_threads(1).thread_name("anyio-tokio").enable_all();
            none.insert(builder.build().map_err(Error::Io)?)
        }
    };
    Ok(runtime.handle().clone())
}
