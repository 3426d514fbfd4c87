//! What users see of a group.

use super::{
    child::{self, Begins, Parent, Placed, Role},
    core::GroupCore,
    drive::Drive,
    errors::Errors,
    handle::TaskHandle,
    outcome::Outcome,
};
use crate::{
    error::{CancelAware, ErrorGroup},
    runtime::{Scope, Stopping},
};
use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    panic::{Location, resume_unwind},
    pin::pin,
    time::Duration,
};

/// Where a task group's children are started. Lent to the body of [`task_group`].
///
/// `'scope` is the time in which children may run, `'env` what they may borrow from.
pub struct TaskGroup<'scope, 'env: 'scope, E> {
    core: GroupCore,
    errors: Errors<E>,
    _scope: PhantomData<&'scope mut &'scope ()>,
    _env: PhantomData<&'env mut &'env ()>,
}

/// Runs a body that may start children, and returns when it and all of them have ended.
///
/// Children may borrow what was there before the group. When one of them, or the body, fails, the others are cancelled
/// and awaited; all real errors come out together. `Ok(None)` means that the group was cancelled by its own scope
/// ([`TaskGroup::cancel`], [`TaskGroup::finish`]) and the body ended with that.
///
/// A child of a child of a child is polled within the poll of all around it, as futures always are: hundreds of groups
/// one within the other need a large stack. Walking through them, to cancel, takes none.
///
/// Where nothing else names the error type, the body's return type does: `async |tg| -> anyio::Result<()> { … }`.
///
/// ```
/// use anyio::{Result, sleep, task_group};
/// use std::{cell::Cell, time::Duration};
///
/// # anyio::run(async || -> Result<()> {
/// let names = ["Ada", "Grace"];
/// let letters = Cell::new(0);
/// task_group(async |tg| -> Result<()> {
///     for name in &names {
///         let letters = &letters;
///         tg.start_soon(async move {
///             sleep(Duration::from_millis(1)).await?;
///             letters.set(letters.get() + name.len());
///             Ok(())
///         });
///     }
///     Ok(())
/// })
/// .await?;
/// assert_eq!(letters.get(), 8);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// All errors of the body and the children, in the order in which they happened, or, alone, the cancellation of a scope
/// further out that the body or a child ended with. Cancellations that a scope is responsible for are not among them.
///
/// # Cancel safety
/// When a scope further out is cancelled the body and the children are cancelled, and awaited. When this future is
/// dropped, the body and then the children are dropped, the youngest first.
///
/// # Panics
/// If the body or a child did: the others are cancelled and awaited first, and the first panic goes on here.
pub async fn task_group<'env, T, E, Via, F>(body: F) -> Result<Option<T>, ErrorGroup<E>>
where
    E: CancelAware<Via> + 'env,
    F: for<'scope> AsyncFnOnce(&'scope TaskGroup<'scope, 'env, E>) -> Result<T, E>,
{
    let group = TaskGroup {
        core: GroupCore::new(),
        errors: Errors::new(E::as_error),
        _scope: PhantomData,
        _env: PhantomData,
    };
    // Dropped after the body, and before the group.
    let children = Children(&group.core);
    let result = {
        let mut body = pin!(Some(body(&group)));
        // SAFETY: the group lies in this pinned future, and `children` are dropped before it goes.
        unsafe { Drive::new(&group.core, &group.errors, body.as_mut()) }.await
    };
    drop(children);
    let concluded = conclude(&group.core, &group.errors, result);
    let panics = &group.core.panic;
    panics.catch(|| group.core.scope.leave_anywhere());
    if let Some(payload) = panics.take() {
        panics.catch(|| drop(concluded));
        // Also where another is on its way: this is no destructor, and whoever polls within one can catch it.
        resume_unwind(payload);
    }
    concluded
}

/// What the group gives, now that the body and all children have ended. The body's real errors are in the list already.
fn conclude<T, E>(
    core: &GroupCore,
    errors: &Errors<E>,
    result: Option<Result<T, E>>,
) -> Result<Option<T>, ErrorGroup<E>> {
    let list = errors.errors.take();
    if !list.is_empty() {
        return Err(ErrorGroup::from_parts(list, errors.as_error));
    }
    match (result, errors.cancellation.take()) {
        (Some(Ok(value)), None) => Ok(Some(value)),
        (Some(Ok(value)), Some(cancellation)) => {
            core.panic.drop_each([value]);
            Err(ErrorGroup::passing_on(cancellation, errors.as_error))
        }
        (Some(Err(stopped)), cancellation) => {
            // What an error is, is code of users.
            let stage = core.panic.catch(|| errors.stage_of(&stopped)).flatten().unwrap_or(Stopping::Cancel);
            if core.scope.absorbs(stage) {
                core.panic.drop_each([Some(stopped), cancellation]);
                return Ok(None);
            }
            // A body that ends because nothing new is to start may have children that were cancelled afterwards.
            let (passed_on, dropped) = match cancellation {
                Some(cancellation) => (cancellation, Some(stopped)),
                None => (stopped, None),
            };
            core.panic.drop_each(dropped);
            Err(ErrorGroup::passing_on(passed_on, errors.as_error))
        }
        (None, _) => Ok(None),
    }
}

/// The children of a group, dropped with what is left of them.
struct Children<'a>(&'a GroupCore);

impl Drop for Children<'_> {
    fn drop(&mut self) {
        self.0.abandon_children().resume();
    }
}

impl<E> fmt::Debug for TaskGroup<'_, '_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup")
            .field("scope", &self.core.scope)
            .field("children", &self.core.live.get())
            .finish_non_exhaustive()
    }
}

impl<'scope, 'env, E> TaskGroup<'scope, 'env, E> {
    /// Starts a child. It runs when the caller next waits, and has ended when the group has.
    ///
    /// Its future gives `()` or a `Result` with the group's error type. Awaiting the handle gives the value; the handle
    /// may be dropped. A child that is started in a group that is cancelled runs up to its first checkpoint. One that is
    /// started while the group is being dropped, or after its run, is dropped at once, and its handle says that it was
    /// cancelled.
    #[inline]
    #[track_caller]
    pub fn start_soon<O: Outcome<E>>(
        &'scope self,
        child: impl Future<Output = O> + 'scope,
    ) -> TaskHandle<'scope, O::Value> {
        self.spawn_at(child, Parent::Group, Begins::Soon, Location::caller())
    }

    /// Starts a child and polls it at once, within the caller's poll, up to its first wait. If nothing makes it wait it has
    /// ended when this returns, and the handle has its value; else it goes on like one of [`start_soon`](Self::start_soon).
    ///
    /// For much work that mostly waits for nothing, as answers out of a cache: that costs neither the child nor who awaits
    /// it a turn of its own. What the child does goes before what the caller does next, so nothing may be borrowed
    /// mutably, from a `RefCell` say, that the child wants, too.
    ///
    /// Called from outside of the group's tasks, deep in other children that were started like this, or when the turn
    /// has polled a lot already, it is `start_soon`.
    ///
    /// ```
    /// use anyio::{Result, lowlevel::checkpoint, task_group};
    ///
    /// # anyio::run(async || -> Result<()> {
    /// task_group(async |tg| -> Result<()> {
    ///     let mut known = tg.start_now(async { anyio::Ok(42) });
    ///     assert_eq!(known.try_take(), Ok(42));
    ///     let waiting = tg.start_now(async {
    ///         checkpoint().await?;
    ///         anyio::Ok(43)
    ///     });
    ///     assert!(!waiting.is_finished());
    ///     assert_eq!(waiting.await?, 43);
    ///     Ok(())
    /// })
    /// .await?;
    /// # Ok(()) }).unwrap();
    /// ```
    #[inline]
    #[track_caller]
    pub fn start_now<O: Outcome<E>>(
        &'scope self,
        child: impl Future<Output = O> + 'scope,
    ) -> TaskHandle<'scope, O::Value> {
        self.call_at(move || child, Role::Another, Location::caller())
    }

    /// Starts a child as [`start_now`](Self::start_now) does, with a function that makes its future. The function is called
    /// within the child: in its scope, and what it panics with is the child's panic. What it makes lies where it is to stay from
    /// the beginning on.
    ///
    /// ```
    /// use anyio::{Result, task_group, testing::current_task};
    ///
    /// # anyio::run(async || -> Result<()> {
    /// task_group(async |tg| -> Result<()> {
    ///     let caller = current_task().id;
    ///     let mut child = tg.call_now(move || {
    ///         assert_ne!(current_task().id, caller);
    ///         async { anyio::Ok(42) }
    ///     });
    ///     assert_eq!(child.try_take(), Ok(42));
    ///     Ok(())
    /// })
    /// .await?;
    /// # Ok(()) }).unwrap();
    /// ```
    #[inline]
    #[track_caller]
    pub fn call_now<O: Outcome<E>, F: Future<Output = O> + 'scope>(
        &'scope self,
        child: impl FnOnce() -> F + 'scope,
    ) -> TaskHandle<'scope, O::Value> {
        self.call_at(child, Role::Another, Location::caller())
    }

    /// Starts a child as [`start_now`](Self::start_now) does, as a part of what the current task is polled for: its first poll
    /// takes nothing of what a turn can afford, and meanwhile the task's own wakers wake nothing.
    ///
    /// For what polls afterwards, in this very poll of the task, all once more that has its wakers, such as a connection that looks
    /// for the next request: what the task would be woken for is seen then, and needs no poll of its own. What the run itself
    /// wakes the task for (an operation, a time, a cancellation, a lock) is heard, and so is what other threads wake it for.
    ///
    /// ```
    /// use anyio::{Result, task_group};
    /// use std::{future::poll_fn, task::Poll};
    ///
    /// # anyio::run(async || -> Result<()> {
    /// task_group(async |tg| -> Result<()> {
    ///     let mut polls = 0;
    ///     poll_fn(|cx| {
    ///         polls += 1;
    ///         let waker = cx.waker().clone();
    ///         assert!(tg.start_as_part(async move { waker.wake() }).is_finished());
    ///         Poll::Ready(())
    ///     })
    ///     .await;
    ///     assert_eq!(polls, 1);
    ///     Ok(())
    /// })
    /// .await?;
    /// # Ok(()) }).unwrap();
    /// ```
    #[inline]
    #[track_caller]
    pub fn start_as_part<O: Outcome<E>>(
        &'scope self,
        child: impl Future<Output = O> + 'scope,
    ) -> TaskHandle<'scope, O::Value> {
        self.call_at(move || child, Role::Part, Location::caller())
    }

    #[inline]
    fn call_at<O: Outcome<E>, F: Future<Output = O> + 'scope>(
        &'scope self,
        child: impl FnOnce() -> F + 'scope,
        role: Role,
        location: &'static Location<'static>,
    ) -> TaskHandle<'scope, O::Value> {
        // SAFETY: `'scope` ends no sooner than the group has dropped its children, and the group does not move.
        let child = unsafe { child::call(&self.errors, &self.core, child, role, location) };
        // SAFETY: one of the child's two shares, or the only one, and the type of its value.
        unsafe { TaskHandle::new(child) }
    }

    #[inline]
    pub(super) fn spawn_at<O: Outcome<E>>(
        &'scope self,
        child: impl Future<Output = O> + 'scope,
        parent: Parent,
        begins: Begins,
        location: &'static Location<'static>,
    ) -> TaskHandle<'scope, O::Value> {
        let placed = Placed::new(&self.errors, child);
        // SAFETY: `'scope` ends no sooner than the group has dropped its children, and the group does not move.
        let child = unsafe { placed.begin(&self.core, parent, begins, location) };
        // SAFETY: one of the child's two shares, and the type of its value.
        unsafe { TaskHandle::new(child) }
    }

    /// Cancels the group's scope: its body and all children.
    #[track_caller]
    pub fn cancel(&self) {
        self.core.scope.cancel();
    }

    /// Like [`cancel`](Self::cancel), with a text that says why.
    #[track_caller]
    pub fn cancel_because(&self, reason: impl Into<String>) {
        self.core.scope.cancel_because(reason);
    }

    /// Tells the group's scope to [finish](Scope::finish): nothing new starts in its body and its children, what is busy goes
    /// on, and after `grace` what is left is cancelled.
    ///
    /// A child that ends with [`Error::Finishing`](crate::Error::Finishing) for that has ended as it should, and the others
    /// go on. If the body does, the group gives `Ok(None)` when the children have ended.
    #[track_caller]
    pub fn finish(&self, grace: Duration) {
        self.core.scope.finish(grace);
    }

    /// The group's scope.
    pub fn scope(&self) -> &Scope {
        &self.core.scope
    }
}
