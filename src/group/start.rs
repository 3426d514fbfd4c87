//! Children that say when they are ready.
//!
//! # Contract
//! [`State::child`] leads to the child that holds the [`Started`], and is cleared when that child's future is dropped,
//! which happens before the child's memory is freed. It is used only while it is set.

use super::{
    child::{Begins, Parent},
    core::ChildHeader,
    handle::TaskHandle,
    outcome::StartOutcome,
    status::TaskStatus,
    task_group::TaskGroup,
};
use crate::{
    error::Cancelled,
    runtime::{Core, WaitQueue, WaitReason, Waiter},
};
use std::{
    cell::{Cell, RefCell},
    fmt,
    future::poll_fn,
    panic::Location,
    ptr,
    rc::Rc,
    task::Poll,
};

/// With this a child that was started by [`TaskGroup::start`] says, once, that it is ready, and hands a value over.
///
/// If the child ends before, `start` fails.
#[must_use = "whoever started this task waits until it calls `set`"]
pub struct Started<V>(Rc<State<V>>);

struct State<V> {
    phase: Cell<Phase>,
    value: RefCell<Option<V>>,
    waiting: WaitQueue,
    child: Cell<*const ChildHeader>,
    /// Where the value goes if nobody waits in the queue.
    tell: Cell<Option<Tell<V>>>,
}

/// Who is told of the value.
type Tell<V> = Box<dyn FnOnce(V)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Waiting,
    Started,
    Over,
}

impl<V> fmt::Debug for Started<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").finish_non_exhaustive()
    }
}

impl<V> Started<V> {
    /// One that tells nobody: for a function that takes one, where nobody waits for it to be ready.
    ///
    /// ```
    /// use anyio::{Result, Started, task_group};
    ///
    /// async fn server(ready: Started<u16>) -> Result<()> {
    ///     ready.set(8080);
    ///     Ok(())
    /// }
    ///
    /// # anyio::run(async || -> Result<()> {
    /// task_group(async |tg| -> Result<()> {
    ///     tg.start_soon(server(Started::ignored()));
    ///     Ok(())
    /// })
    /// .await?;
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn ignored() -> Self {
        Self(Rc::new(State::new()))
    }

    /// One of no child. What it says goes to a function, until the other value is dropped.
    pub(crate) fn telling(tell: impl FnOnce(V) + 'static) -> (Self, Telling<V>) {
        let state = Rc::new(State { tell: Cell::new(Some(Box::new(tell))), ..State::new() });
        (Self(Rc::clone(&state)), Telling(state))
    }

    /// Says that the child is ready. From now on it is a child of its group like any other.
    pub fn set(self, value: V) {
        // A child that has ended, and left this to others, has failed to start.
        if self.0.phase.get() != Phase::Waiting {
            return;
        }
        match self.0.tell.take() {
            Some(tell) => {
                self.0.phase.set(Phase::Started);
                tell(value);
            }
            None => {
                self.0.value.replace(Some(value));
                self.0.end(Phase::Started);
            }
        }
    }
}

/// What a [`Started`] of no child says is listened to until this is dropped.
pub(crate) struct Telling<V>(Rc<State<V>>);

impl<V> Drop for Telling<V> {
    fn drop(&mut self) {
        if self.0.phase.get() == Phase::Waiting {
            self.0.phase.set(Phase::Over);
        }
        drop(self.0.tell.take());
    }
}

impl<V> State<V> {
    fn new() -> Self {
        Self {
            phase: Cell::new(Phase::Waiting),
            value: RefCell::new(None),
            waiting: WaitQueue::new(),
            child: Cell::new(ptr::null()),
            tell: Cell::new(None),
        }
    }

    fn end(&self, phase: Phase) {
        if self.phase.get() == Phase::Waiting {
            self.phase.set(phase);
            Core::change_anywhere(|| {
                self.adopt();
                self.waiting.notify_all();
            });
        }
    }

    /// Hangs the child under its group's scope.
    fn adopt(&self) {
        // SAFETY: the pointer leads to a living child as long as it is set: see the contract.
        if let Some(child) = unsafe { self.child.get().as_ref() } {
            Core::try_with(|core| child.move_to_group(core));
        }
    }
}

/// Says that the child has ended, when its future is dropped.
struct Ending<V>(Rc<State<V>>);

impl<V> Drop for Ending<V> {
    fn drop(&mut self) {
        self.0.child.set(ptr::null());
        self.0.end(Phase::Over);
    }
}

/// Waits for the child to be ready. If it is dropped before, the child is cancelled and left to the group.
struct Waiting<'a, 'scope, V, T> {
    state: &'a State<V>,
    child: &'a TaskHandle<'scope, T>,
    waiter: Waiter,
}

impl<V, T> Drop for Waiting<'_, '_, V, T> {
    fn drop(&mut self) {
        Core::change_anywhere(|| {
            self.waiter.withdraw(&self.state.waiting);
            if self.state.phase.get() == Phase::Waiting {
                self.child.cancel();
                self.state.adopt();
            }
        });
    }
}

impl<'scope, E> TaskGroup<'scope, '_, E> {
    /// Starts a child and waits until it says that it is ready, with [`Started::set`], or has failed before.
    ///
    /// Until then the child lives in the scopes of the caller: cancelling those cancels it. From then on it is a child of
    /// the group like any other.
    ///
    /// ```
    /// use anyio::{Result, Started, sleep_forever, task_group};
    ///
    /// # anyio::run(async || -> Result<()> {
    /// task_group(async |tg| -> Result<()> {
    ///     let (port, _server) = tg
    ///         .start(async |started: Started<u16>| {
    ///             started.set(8080);
    ///             Err::<(), _>(sleep_forever().await.into())
    ///         })
    ///         .await?;
    ///     assert_eq!(port, 8080);
    ///     tg.cancel();
    ///     Ok(())
    /// })
    /// .await?;
    /// # Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// The child's, if it fails before it is ready; then the group does not see it. A cancellation, if the caller is
    /// cancelled before the child is ready, but only after the child has ended.
    ///
    /// # Cancel safety
    /// The child is cancelled and awaited. If this future is dropped before the child is ready the child is cancelled,
    /// and the group awaits it.
    ///
    /// # Panics
    /// If the child ends with a value although it never said that it is ready.
    #[track_caller]
    pub fn start<V: 'scope, T: 'scope, C>(
        &'scope self,
        child: C,
    ) -> impl Future<Output = Result<(V, TaskHandle<'scope, T>), E>>
    where
        C: AsyncFnOnce(Started<V>) -> Result<T, E> + 'scope,
        E: From<Cancelled>,
    {
        start(self, child, Location::caller())
    }
}

/// See [`TaskGroup::start`].
async fn start<'scope, V: 'scope, T: 'scope, E, C>(
    group: &'scope TaskGroup<'scope, '_, E>,
    child: C,
    location: &'static Location<'static>,
) -> Result<(V, TaskHandle<'scope, T>), E>
where
    C: AsyncFnOnce(Started<V>) -> Result<T, E> + 'scope,
    E: From<Cancelled>,
{
    let state = Rc::new(State::new());
    let failure = Rc::new(Cell::new(None::<E>));
    let (ending, childs_failure) = (Ending(state.clone()), failure.clone());
    let future = async move {
        let state = &ending.0;
        match child(Started(state.clone())).await {
            Err(error) if state.phase.get() != Phase::Started => {
                childs_failure.set(Some(error));
                StartOutcome::Reported
            }
            result => StartOutcome::Ended(result),
        }
    };
    let handle = group.spawn_at(future, Parent::Current, Begins::Soon, location);
    state.child.set(if handle.is_finished() { ptr::null() } else { handle.pointer() });
    let mut waiting = Waiting { state: &state, child: &handle, waiter: Waiter::new(WaitReason::TaskStart) };
    poll_fn(|cx| {
        Core::with(|core| {
            while state.phase.get() == Phase::Waiting {
                if waiting.waiter.poll_shielded(core, &state.waiting, cx).is_pending() {
                    return Poll::Pending;
                }
            }
            Poll::Ready(())
        })
    })
    .await;
    drop(waiting);
    if let Some(value) = state.value.take() {
        return Ok((value, handle));
    }
    if let Some(error) = failure.take() {
        return Err(error);
    }
    // The future is dropped, and so says that it is over, just before its status is set. A child that was cancelled
    // or panicked has made the group, or a scope around it, be cancelled, which the caller is to hear of.
    let cancelled = handle.scope().cancel_called() || Core::with(|core| core.scope_is_effective());
    let panicked = matches!(handle.status(), TaskStatus::Failed | TaskStatus::Cancelled);
    assert!(cancelled || panicked, "{} ended without calling Started::set", handle.name());
    Err(Cancelled::new().into())
}
