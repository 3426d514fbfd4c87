//! What users see of a group.

use super::{
    child::{self, Parent},
    core::GroupCore,
    drive::Drive,
    handle::TaskHandle,
    outcome::Outcome,
    start::{self, Started},
};
use crate::{
    error::{CancelAware, Cancelled, ErrorGroup, is_cancellation},
    runtime::{Core, Scope},
};
use std::{
    cell::RefCell, error::Error as StdError, fmt, future::Future, marker::PhantomData, panic::Location,
    pin::pin,
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

/// The real errors of a group so far, first in time first.
pub(super) struct Errors<E> {
    errors: RefCell<Vec<E>>,
    as_error: fn(&E) -> &(dyn StdError + 'static),
}

impl<E> Errors<E> {
    pub(super) fn is_cancellation(&self, error: &E) -> bool {
        is_cancellation((self.as_error)(error))
    }

    pub(super) fn push(&self, error: E) {
        self.errors.borrow_mut().push(error);
    }
}

/// Runs a body that may start children, and returns when it and all of them have ended.
///
/// Children may borrow what was there before the group. When one of them, or the body, fails, the others are cancelled
/// and awaited; all real errors come out together. `Ok(None)` means that the group was cancelled by its own scope
/// ([`TaskGroup::cancel`]) and the body ended with that cancellation.
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
/// further out that the body ended with. Cancellations that a scope is responsible for are not among them.
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
        errors: Errors { errors: RefCell::new(Vec::new()), as_error: E::as_error },
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
    if panics.is_some() {
        panics.drop_each([concluded]);
        panics.resume();
        unreachable!("a panic goes on");
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
    match result {
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(cancellation)) if !core.scope.absorbs() => {
            Err(ErrorGroup::cancellation(cancellation, errors.as_error))
        }
        Some(Err(_)) | None => Ok(None),
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
    /// may be dropped. A child that is started in a group that is cancelled runs up to its first checkpoint.
    #[inline]
    #[track_caller]
    pub fn start_soon<O: Outcome<E>>(
        &'scope self,
        child: impl Future<Output = O> + 'scope,
    ) -> TaskHandle<'scope, O::Value> {
        self.spawn_at(child, Parent::Group, Location::caller())
    }

    #[inline]
    pub(super) fn spawn_at<O: Outcome<E>>(
        &'scope self,
        child: impl Future<Output = O> + 'scope,
        parent: Parent,
        location: &'static Location<'static>,
    ) -> TaskHandle<'scope, O::Value> {
        let spawn = |core: Option<&Core>| {
            // SAFETY: `'scope` ends no sooner than the group has dropped its children, and the group does not move.
            let child = unsafe { child::spawn(core, &self.core, &self.errors, child, parent, location) };
            // SAFETY: one of the child's two shares, and the type of its value.
            unsafe { TaskHandle::new(child) }
        };
        if self.core.closed.get() {
            // The group is being dropped, maybe after its run.
            return spawn(None);
        }
        Core::with(|core| {
            assert!(
                self.core.belongs_to(core),
                "a task group was used in another run than the one it began in"
            );
            core.change(|core| spawn(Some(core)))
        })
    }

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
        start::start(self, child, Location::caller())
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

    /// The group's scope.
    pub fn scope(&self) -> &Scope {
        &self.core.scope
    }
}
