//! Something that is opened and closed in a task of a portal, and used by other threads between.

use super::{
    portal::BlockingPortal,
    task::{PortalTask, given_up},
};
use crate::{
    cross::Notifier,
    error::{Error, Result},
    group::Started,
    lowlevel::RunToken,
    runtime::{drop_each, text_of},
    scope::shield,
    to_thread::{
        reply::reply,
        request::{answer, catch_panic, value_of},
    },
};
use std::{
    collections::VecDeque,
    fmt,
    future::Future,
    panic::resume_unwind,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

/// Something that lives in a task of a portal. Made by [`BlockingPortal::open_resource`].
///
/// Dropping it closes it and waits for that; an error that the closing gives is logged then, and so is its panic during another.
pub struct PortalResource<R, E> {
    calls: Arc<Calls<R>>,
    task: Option<PortalTask<Result<(), E>>>,
    run: RunToken,
}

/// Something to be done with the resource, on its thread.
type Call<R> = Box<dyn for<'a> FnOnce(&'a mut R) -> Pin<Box<dyn Future<Output = ()> + 'a>> + Send>;

struct Calls<R> {
    queue: Mutex<Queue<R>>,
    news: Notifier,
}

struct Queue<R> {
    calls: VecDeque<Call<R>>,
    open: bool,
}

impl<R> Calls<R> {
    fn queue(&self) -> MutexGuard<'_, Queue<R>> {
        // Only moves happen under the lock.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.queue().open = false;
        self.news.notify();
    }

    /// Takes the next call; without one, whether more may come.
    fn next(&self) -> Result<Call<R>, bool> {
        let mut queue = self.queue();
        queue.calls.pop_front().ok_or(queue.open)
    }
}

/// Refuses calls when the resource is about to be closed, and tells those that came too late.
struct CloseAtEnd<'a, R>(&'a Calls<R>);

impl<R> Drop for CloseAtEnd<'_, R> {
    fn drop(&mut self) {
        self.0.close();
        let left = std::mem::take(&mut self.0.queue().calls);
        drop_each(left);
    }
}

impl BlockingPortal {
    /// Opens something that lives in a task of the portal until it is closed, which that task does as well: so both may
    /// use what belongs to one task, and the closing runs also if the task is cancelled.
    ///
    /// ```
    /// use anyio::{Builder, Result, from_thread, fs::File, tempfile::TemporaryFile};
    ///
    /// # fn program() -> Result<()> {
    /// let portal = from_thread::start_blocking_portal(&Builder::new())?;
    /// let file = portal.open_resource(
    ///     async || TemporaryFile::new().await,
    ///     async |file: TemporaryFile| file.close().await,
    /// )?;
    /// let written = file.call(async |file: &mut TemporaryFile| file.write_all("hello").await)?;
    /// assert!(written.0.is_ok());
    /// file.close()?;
    /// portal.close()
    /// # }
    /// # program().unwrap();
    /// ```
    ///
    /// # Errors
    /// What `open` fails with. Converted from [`Error::ClosedResource`] and [`Error::BrokenResource`] as for
    /// [`start_task`](Self::start_task).
    ///
    /// # Panics
    /// If `open` does. If this is called on the portal's own thread.
    #[track_caller]
    pub fn open_resource<R: 'static, E: From<Error> + Send + 'static>(
        &self,
        open: impl AsyncFnOnce() -> Result<R, E> + Send + 'static,
        close: impl AsyncFnOnce(R) -> Result<(), E> + Send + 'static,
    ) -> Result<PortalResource<R, E>, E> {
        let calls = Arc::new(Calls {
            queue: Mutex::new(Queue { calls: VecDeque::new(), open: true }),
            news: Notifier::new(),
        });
        let of_task = Arc::clone(&calls);
        let ((), task) = self.start_task(async move |started: Started<()>| {
            let mut resource = open().await?;
            started.set(());
            serve(&of_task, &mut resource).await;
            shield(close(resource)).await
        })?;
        Ok(PortalResource { calls, task: Some(task), run: self.run() })
    }
}

/// Does what other threads ask for, until the resource is to be closed or the task is cancelled.
async fn serve<R>(calls: &Calls<R>, resource: &mut R) {
    let _end = CloseAtEnd(calls);
    loop {
        match calls.next() {
            Ok(call) => call(resource).await,
            Err(true) if calls.news.wait().await.is_ok() => {}
            Err(_) => return,
        }
    }
}

impl<R: 'static, E> PortalResource<R, E> {
    /// Has a function called with the resource, in its task, and waits for what it gives. Calls of several threads are
    /// done one after the other.
    ///
    /// # Errors
    /// [`Error::BrokenResource`] if the task of the resource was cancelled, or the portal has ended.
    ///
    /// # Panics
    /// If the function does, with its panic; the resource stays. If this is called on the portal's own thread.
    #[track_caller]
    pub fn call<T: Send + 'static>(
        &self,
        function: impl AsyncFnOnce(&mut R) -> T + Send + 'static,
    ) -> Result<T> {
        self.run.assert_elsewhere();
        let (replier, reply) = reply(self.run);
        let call: Call<R> = Box::new(move |resource| {
            Box::pin(async move {
                let result = catch_panic(async { function(resource).await }).await;
                answer(replier, result);
            })
        });
        let refused = {
            let mut queue = self.calls.queue();
            if queue.open {
                queue.calls.push_back(call);
                None
            } else {
                Some(call)
            }
        };
        if refused.is_some() {
            return Err(given_up());
        }
        self.calls.news.notify();
        reply.wait().map(value_of).ok_or_else(given_up)
    }
}

impl<R, E: From<Error>> PortalResource<R, E> {
    /// Closes the resource, in its task, and waits for that.
    ///
    /// # Errors
    /// What its closing fails with. Converted from [`Error::BrokenResource`] if the portal has ended.
    ///
    /// # Panics
    /// If its closing does. On the portal's own thread, which would wait for itself; the resource is closed all the same.
    #[track_caller]
    pub fn close(mut self) -> Result<(), E> {
        self.calls.close();
        match self.task.take() {
            Some(task) => task.wait().map_err(E::from)?,
            None => Ok(()),
        }
    }
}

impl<R, E> Drop for PortalResource<R, E> {
    fn drop(&mut self) {
        self.calls.close();
        let Some(task) = self.task.take() else { return };
        // Its own thread would wait for itself.
        if self.run.is_here() {
            return;
        }
        match task.wait_for_answer() {
            Some(Ok(Ok(()))) => {}
            // One panic at a time is enough.
            Some(Err(payload)) if !thread::panicking() => resume_unwind(payload),
            Some(Err(payload)) => {
                log::error!("closing a resource in a portal panicked: {}", text_of(payload));
            }
            Some(Ok(Err(_))) | None => {
                log::warn!("closing a resource in a portal failed; close it by hand to hear why");
            }
        }
    }
}

impl<R, E> fmt::Debug for PortalResource<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PortalResource").finish_non_exhaustive()
    }
}
