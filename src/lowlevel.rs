//! Checkpoints by hand, what belongs to a run, and descriptors that are not anyio's.

mod host;
mod readiness;

pub use crate::runtime::{Instrument, ScopeCancelled, ScopeId, TaskEnd, TaskStart};
pub use host::Host;
pub use readiness::{Readiness, notify_closing, wait_readable, wait_writable};

use crate::{
    error::{Cancelled, Error, Result},
    runtime::{Blocked, Core, RemoteScope, RunId, Scope, inbox},
};
use anyio_driver::{Chunk, Driver};
use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    rc::Rc,
    sync::{
        Weak,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    task::Poll,
};

/// Lets other tasks have their turn, and looks whether the scope is cancelled.
///
/// # Errors
/// [`Cancelled`] if the scope is cancelled.
///
/// # Cancel safety
/// Nothing is lost.
pub fn checkpoint() -> impl Future<Output = Result<(), Cancelled>> {
    let mut yielded = false;
    poll_fn(move |cx| {
        Core::with(|core| {
            if let Err(cancelled) = core.check_cancelled() {
                return core.poll_delivery(cx).map(|()| Err(cancelled));
            }
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(Ok(()));
            }
            core.wake_by_ref(cx.waker());
            Poll::Pending
        })
    })
}

/// Looks whether the scope is cancelled, and lets other tasks have their turn only if it is.
///
/// # Errors
/// [`Cancelled`] if the scope is cancelled.
pub async fn checkpoint_if_cancelled() -> Result<(), Cancelled> {
    poll_fn(|cx| {
        Core::with(|core| match core.check_cancelled() {
            Ok(()) => Poll::Ready(Ok(())),
            Err(cancelled) => core.poll_delivery(cx).map(|()| Err(cancelled)),
        })
    })
    .await
}

/// Lets other tasks have their turn, also in a cancelled scope.
pub async fn cancel_shielded_checkpoint() {
    let mut yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Whether the next checkpoint here gives [`Cancelled`].
///
/// # Panics
/// Outside of a run.
pub fn is_cancelled() -> bool {
    Core::with(|core| core.scope_is_effective())
}

/// Whether the scope here was told to [finish](Scope::finish), so that nothing new is to start: what is [idle](crate::idle())
/// ends. A server, for example, tells its clients with the answer that it is the last one.
///
/// # Panics
/// Outside of a run.
pub fn is_finishing() -> bool {
    Core::with(|core| core.scope_is_finishing())
}

/// An empty [`Chunk`] of the run's pool, for streams that are not the system's: to be filled by
/// [`Chunk::extend_from_slice`], or as the buffer of some other receive, and given out by their
/// [`receive`](crate::streams::ByteReceiveStream::receive). It has room for 16 KiB, unless the pool's buffers were set to
/// another size.
///
/// # Panics
/// Outside of a run.
///
/// ```
/// # anyio::run(async || -> anyio::Result<()> {
/// let mut chunk = anyio::lowlevel::take_chunk();
/// assert!(chunk.is_empty() && chunk.spare_capacity() > 0);
/// chunk.extend_from_slice(b"decoded").unwrap();
/// chunk.advance(2);
/// chunk.truncate(3);
/// assert_eq!(chunk, "cod");
/// # Ok(()) }).unwrap();
/// ```
pub fn take_chunk() -> Chunk {
    Core::with(|core| core.driver().pool().take())
}

pub(crate) fn current_scope_remote() -> RemoteScope {
    Core::with(|core| {
        core.clock().set_reachable();
        core.scope().map(Scope::remote)
    })
    .expect("a future is always polled within some scope")
}

/// Names a run, on any thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RunToken {
    executor: u16,
    run: RunId,
}

impl RunToken {
    /// The name of this executor's run, to be used by anyio itself.
    pub(crate) fn of(core: &Core) -> Self {
        Self { executor: core.id(), run: core.run() }
    }

    /// Whether the run is over, or so near its end that nothing reaches it any more.
    pub(crate) fn is_over(&self) -> bool {
        !inbox::of(self.executor).serves(self.run)
    }

    /// Has a thread that waits be told when the run is over. False if it is.
    pub(crate) fn tell_at_end(&self, blocked: Weak<dyn Blocked>) -> bool {
        inbox::of(self.executor).tell_at_end(self.run, blocked)
    }

    /// Whether this is the run's own thread.
    pub(crate) fn is_here(&self) -> bool {
        Core::try_with(|core| Self::of(core) == *self).unwrap_or(false)
    }

    /// For what waits for the run.
    ///
    /// # Panics
    /// On the run's own thread.
    #[track_caller]
    pub(crate) fn assert_elsewhere(&self) {
        assert!(
            !self.is_here(),
            "the thread of a run would wait for itself: await what is to be done in place of having it done"
        );
    }

    /// Has a function called on the run's thread, between the polls of its tasks; it may not block. Tells whether the
    /// run was still under way.
    ///
    /// The function is dropped uncalled if the run ends first. If it panics the run ends with that panic.
    pub fn run_soon(&self, function: impl FnOnce() + Send + 'static) -> bool {
        let run = self.run;
        inbox::of(self.executor).push(inbox::Message::Run(Box::new(move |core: &Core| {
            if core.run() == run {
                function();
            }
        })))
    }
}

impl RunToken {
    /// Has a function called on the run's thread, between the polls of its tasks, and waits for what it gives. The function
    /// may not block. For what has to wait, use a [portal](crate::from_thread::BlockingPortal).
    ///
    /// # Errors
    /// [`Error::RunFinished`] if the run is over, or ends before it calls the function.
    ///
    /// # Panics
    /// If the function does, with its panic. On the run's own thread, which would wait for itself.
    #[track_caller]
    pub fn run_sync<T: Send + 'static>(&self, function: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        self.assert_elsewhere();
        let (sender, receiver) = mpsc::sync_channel(1);
        let called = self.run_soon(move || {
            // Whoever asked waits for it.
            drop(sender.send(catch_unwind(AssertUnwindSafe(function))));
        });
        match receiver.recv() {
            Ok(answer) if called => Ok(answer.unwrap_or_else(|payload| resume_unwind(payload))),
            _ => Err(Error::RunFinished),
        }
    }
}

/// The name of the run on this thread, or `None` outside of one.
pub fn current_token() -> Option<RunToken> {
    Core::try_with(|core| {
        core.clock().set_reachable();
        RunToken::of(core)
    })
}

/// A variable with a value in each run: shared by its tasks, gone at its end. When the variable itself goes, the value goes that
/// it has in the run on that thread.
///
/// ```
/// use anyio::lowlevel::RunVar;
///
/// let counter = RunVar::new();
/// anyio::run(async || {
///     counter.set(1);
///     assert_eq!(counter.get().as_deref(), Some(&1));
/// });
/// anyio::run(async || assert_eq!(counter.get(), None));
/// ```
#[derive(Debug)]
pub struct RunVar<T> {
    id: u64,
    default: Option<fn() -> T>,
}

/// What a [`RunVar`] was before it was set. See [`RunVar::reset`].
#[derive(Debug)]
#[must_use = "give it to `reset`, or drop it"]
pub struct RunVarToken {
    id: u64,
    before: Option<Rc<dyn Any>>,
}

impl<T: 'static> RunVar<T> {
    /// A variable that is not set in any run. Two variables never share values.
    #[expect(clippy::new_without_default, reason = "every variable is another one")]
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), default: None }
    }

    /// The same variable with a value where it is not set, made anew in each run that asks first.
    #[must_use]
    pub fn with_default(mut self, default: fn() -> T) -> Self {
        self.default = Some(default);
        self
    }

    /// The value, or the default, or `None` if there is neither.
    ///
    /// # Panics
    /// Outside of a run.
    pub fn get(&self) -> Option<Rc<T>> {
        Core::with(|core| {
            let value = core.variables().get(self.id).or_else(|| {
                let value: Rc<dyn Any> = Rc::new(self.default?());
                core.variables().replace(self.id, Some(value.clone()));
                Some(value)
            })?;
            value.downcast().ok()
        })
    }

    /// Sets the value in this run.
    ///
    /// # Panics
    /// Outside of a run.
    pub fn set(&self, value: T) -> RunVarToken {
        Core::with(|core| RunVarToken {
            id: self.id,
            before: core.variables().replace(self.id, Some(Rc::new(value))),
        })
    }

    /// Makes the value what it was before it was set.
    ///
    /// # Panics
    /// If the token came from another variable, or outside of a run.
    pub fn reset(&self, token: RunVarToken) {
        assert_eq!(self.id, token.id, "the token belongs to another variable");
        Core::with(|core| drop(core.variables().replace(self.id, token.before)));
    }
}

impl<T> Drop for RunVar<T> {
    fn drop(&mut self) {
        // Dropped when nothing is borrowed: it is of users.
        drop(Core::try_with(|core| core.variables().replace(self.id, None)));
    }
}

/// How a run stands. For tests, and for watching a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunStatistics {
    /// Tasks that have begun and not ended: the main one, the bodies of groups, their children.
    pub tasks: usize,
    /// Everything that waits, or is kept to wait: operations, timers, events, deadlines.
    pub waits: usize,
    /// Operations that the driver has not answered.
    pub operations_in_flight: usize,
    /// Those among them whose futures were dropped.
    pub orphaned_operations: usize,
    /// Receive buffers in the hands of operations and chunks.
    pub buffers_in_use: usize,
    /// How often receives were stopped because the kernel had no buffer left to choose. They go on with buffers of their own,
    /// and for datagrams there are more buffers afterwards; often means that more should be given to the run.
    pub buffer_shortages: u64,
    /// Waits for a time that ended more than a millisecond late: the system did not give this thread its processor, or the
    /// thread was kept in the kernel.
    pub late_waits: u64,
    /// Operations that were given to worker threads: of the kernel, as far as it is known beforehand that it does so
    /// (what works on paths, waits for the device or changes a file's size), or of this process, with the poll back end
    /// and for what the kernel lacks. Reads and writes that find nothing in the page cache may go there as well, of
    /// which the kernel tells nobody.
    pub punted_operations: u64,
    /// Sends that were made without a copy ([`Builder::zero_copy_sends`](crate::Builder::zero_copy_sends)).
    pub zero_copy_sends: u64,
    /// Those among them that the kernel had to copy all the same. It is tried once for each such socket.
    pub zero_copy_copied: u64,
    /// Completions for which nobody waited. Not 0 means that the driver broke its contract.
    pub stale_completions: u64,
}

/// How the run on this thread stands.
///
/// # Panics
/// Outside of a run.
pub fn statistics() -> RunStatistics {
    Core::with(RunStatistics::of)
}

impl RunStatistics {
    pub(crate) fn of(core: &Core) -> Self {
        let driver = core.driver().statistics();
        Self {
            tasks: core.tasks().used(),
            waits: core.waits().used(),
            operations_in_flight: core.driver().in_flight(),
            orphaned_operations: core.orphans().count(),
            buffers_in_use: core.driver().pool().statistics().in_use + core.driver().message_buffers_in_use(),
            buffer_shortages: core.buffer_shortages(),
            late_waits: core.late_waits(),
            punted_operations: driver.punted,
            zero_copy_sends: driver.zero_copy_sends,
            zero_copy_copied: driver.zero_copy_copied,
            stale_completions: core.stale_completions(),
        }
    }
}
