//! A task group that other threads start tasks in.

use super::{
    jobs::Jobs,
    task::{Control, Ending, PortalTask},
};
use crate::{
    cross::Event,
    error::{CancelAware, Cancelled, Error, ErrorGroup, Result},
    group::{Started, TaskGroup, task_group},
    lowlevel::{RunToken, current_scope_remote, current_token},
    runtime::drop_each,
    scope::RemoteScope,
    to_thread::{
        reply::{Replier, reply},
        request::{Request, answer, catch_panic, inheriting, request, value_of},
    },
};
use std::{fmt, sync::Arc};

/// Lets other threads start tasks in a run, and wait for them.
///
/// It belongs to the block of a [`blocking_portal`], or to a thread of its own ([`start_blocking_portal`]). Its clones are
/// the same portal. A task that fails does not end the portal: what it gives, error or not, is for whoever waits for it.
///
/// Its blocking methods are for threads other than the one it belongs to, and other than those of any run.
///
/// [`start_blocking_portal`]: super::start_blocking_portal
#[derive(Clone)]
pub struct BlockingPortal {
    shared: Arc<Shared>,
}

struct Shared {
    jobs: Jobs<Job>,
    stopped: Event,
    run: RunToken,
    scope: RemoteScope,
}

struct Job {
    request: Request,
    /// Dropped with the job, also if that never begins.
    ending: Ending,
}

/// Runs a body that other threads can reach by the portal it is given.
///
/// When the body ends the portal is stopped, and its tasks are awaited; if the body fails they are cancelled first. So a
/// body that has nothing else to do waits for [`sleep_until_stopped`](BlockingPortal::sleep_until_stopped).
///
/// ```
/// use anyio::{Result, from_thread::blocking_portal, to_thread};
///
/// # anyio::run(async || -> Result<()> {
/// blocking_portal(async |portal| -> Result<()> {
///     let portal = portal.clone();
///     let answer = to_thread::run_sync(move || portal.call(async || 42)).await??;
///     assert_eq!(answer, 42);
///     Ok(())
/// })
/// .await?;
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// Those of the body, and a cancellation from further out, as of a [`task_group`].
///
/// # Cancel safety
/// The body and all tasks of the portal are cancelled and awaited.
///
/// # Panics
/// If the body does, or a task for which nobody waits.
pub async fn blocking_portal<T, E, Via>(
    body: impl AsyncFnOnce(&BlockingPortal) -> Result<T, E>,
) -> Result<Option<T>, ErrorGroup<E>>
where
    E: CancelAware<Via> + From<Cancelled>,
{
    // From now on other threads may do what lets tasks go on.
    let run = current_token().expect("a future is polled within a run");
    task_group(async |tg| {
        let portal = BlockingPortal::new(run, tg.scope().remote());
        let serving = portal.clone();
        tg.start_soon(async move { serving.serve(tg).await });
        let _end = StopAtEnd(&portal);
        body(&portal).await
    })
    .await
}

/// Stops a portal when its body is over, also by a panic.
struct StopAtEnd<'a>(&'a BlockingPortal);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.stop(false);
    }
}

/// Refuses what comes when no one takes it any more.
struct CloseAtEnd<'a>(&'a Shared);

impl Drop for CloseAtEnd<'_> {
    fn drop(&mut self) {
        let left = self.0.jobs.shut();
        self.0.stopped.set();
        // Whoever waits for these is told that they are gone.
        drop_each(left);
    }
}

impl BlockingPortal {
    fn new(run: RunToken, scope: RemoteScope) -> Self {
        Self { shared: Arc::new(Shared { jobs: Jobs::default(), stopped: Event::new(), run, scope }) }
    }

    /// Starts what other threads ask for, until the portal is stopped.
    async fn serve<'scope, E: From<Cancelled>>(
        self,
        group: &'scope TaskGroup<'scope, '_, E>,
    ) -> Result<(), E> {
        let _end = CloseAtEnd(&self.shared);
        while let Some(job) = self.shared.jobs.next().await? {
            group.start_soon(job.run::<E>());
        }
        Ok(())
    }

    fn submit(&self, request: Request) -> Result<Arc<Control>> {
        // A portal that was forgotten with its future is never stopped.
        if self.shared.run.is_over() {
            return Err(Error::ClosedResource);
        }
        let control = Arc::new(Control::default());
        let job = Job { request: inheriting(request), ending: Ending(Arc::clone(&control)) };
        match self.shared.jobs.push(job) {
            Ok(()) => Ok(control),
            Err(_) => Err(Error::ClosedResource),
        }
    }

    /// In which run the tasks are.
    pub(super) fn run(&self) -> RunToken {
        self.shared.run
    }

    /// Runs a function in the portal and waits for what it gives.
    ///
    /// # Errors
    /// [`Error::ClosedResource`] if the portal was stopped. [`Error::BrokenResource`] if the portal ended before the
    /// function did.
    ///
    /// # Panics
    /// If the function does, with its panic. On the portal's own thread, which would wait for itself.
    #[track_caller]
    pub fn call<T: Send + 'static>(&self, function: impl AsyncFnOnce() -> T + Send + 'static) -> Result<T> {
        self.run().assert_elsewhere();
        self.start_task_soon(function)?.wait()
    }

    /// Starts a task in the portal, and does not wait for it.
    ///
    /// # Errors
    /// [`Error::ClosedResource`] if the portal was stopped.
    pub fn start_task_soon<T: Send + 'static>(
        &self,
        function: impl AsyncFnOnce() -> T + Send + 'static,
    ) -> Result<PortalTask<T>> {
        let (request, reply) = request(self.run(), function);
        Ok(PortalTask::new(reply, self.submit(request)?))
    }

    /// Starts a task in the portal, and waits until it says that it is ready.
    ///
    /// # Errors
    /// The task's own, if it fails before it is ready. Converted from [`Error::ClosedResource`] if the portal was stopped,
    /// and from [`Error::BrokenResource`] if it ended before the task was ready.
    ///
    /// # Panics
    /// If the task ends well without having said that it is ready, or panics before. If this is called on the portal's own
    /// thread.
    #[track_caller]
    pub fn start_task<V, T, E>(
        &self,
        function: impl AsyncFnOnce(Started<V>) -> Result<T, E> + Send + 'static,
    ) -> Result<(V, PortalTask<Result<T, E>>), E>
    where
        V: Send + 'static,
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        self.run().assert_elsewhere();
        let (ready, is_ready) = reply(self.run());
        let (replier, ended) = reply(self.run());
        let request: Request = Box::new(move || {
            Box::pin(async move {
                let result = catch_panic(telling(function, ready)).await;
                answer(replier, result);
            })
        });
        let task = PortalTask::new(ended, self.submit(request)?);
        match is_ready.wait() {
            Some(value) => Ok((value_of(value), task)),
            None => match task.wait().map_err(E::from)? {
                Err(error) => Err(error),
                Ok(_) => panic!("a task ended without calling Started::set"),
            },
        }
    }

    /// Refuses new tasks from now on, and ends [`sleep_until_stopped`](Self::sleep_until_stopped). What has been asked for
    /// goes on, or, with `cancel_remaining`, is cancelled. Works on any thread, and does not wait.
    #[track_caller]
    pub fn stop(&self, cancel_remaining: bool) {
        self.shared.jobs.close();
        self.shared.stopped.set();
        if cancel_remaining {
            self.shared.scope.cancel_because("the portal was stopped");
        }
    }

    /// Waits, in the portal's run, until somebody stops the portal.
    ///
    /// # Errors
    /// A cancellation.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn sleep_until_stopped(&self) -> Result<(), Cancelled> {
        self.shared.stopped.wait().await
    }

    /// Whether the portal takes no new tasks any more.
    pub fn is_stopped(&self) -> bool {
        self.shared.stopped.is_set() || self.shared.run.is_over()
    }
}

impl Job {
    async fn run<E>(self) -> Result<(), E> {
        let Self { request, ending } = self;
        if ending.0.begin(current_scope_remote()) {
            request().await;
        }
        Ok(())
    }
}

/// Runs a function, and hands over what it says when it is ready, whoever says it.
async fn telling<V: Send + 'static, T>(function: impl AsyncFnOnce(Started<V>) -> T, ready: Replier<V>) -> T {
    // Who is gone needs no value.
    let (started, _listening) = Started::telling(move |value| drop(ready.give(Ok(value))));
    function(started).await
}

impl fmt::Debug for BlockingPortal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockingPortal").field("is_stopped", &self.is_stopped()).finish_non_exhaustive()
    }
}
