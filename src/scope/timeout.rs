//! Scopes around one future.

use super::in_scope::{InScope, Nature, conclude};
use crate::{
    error::{CancelAware, CancelReason, ReasonKind, TimedOut},
    runtime::{Core, Deadline},
};
use pin_project_lite::pin_project;
use std::{
    future::Future,
    marker::PhantomData,
    panic::Location,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

pin_project! {
    /// A body that is given up when its scope's time is over.
    struct MoveOn<F, Via> {
        #[pin]
        inner: InScope<F>,
        via: PhantomData<Via>,
    }
}

impl<T, E, F, Via> Future for MoveOn<F, Via>
where
    F: Future<Output = Result<T, E>>,
    E: CancelAware<Via>,
{
    type Output = Result<Option<T>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Core::with(|core| {
            self.project().inner.poll_body(core, cx).map(|(result, scope)| conclude(core, &scope, result))
        })
    }
}

fn move_on<T, E, Via>(
    deadline: Deadline,
    reason: CancelReason,
    body: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<Option<T>, E>>
where
    E: CancelAware<Via>,
{
    MoveOn { inner: InScope::new(Nature::Limited(deadline, reason), body), via: PhantomData }
}

pin_project! {
    /// A body that fails when its scope's time is over.
    struct Fail<F, Via> {
        #[pin]
        inner: InScope<F>,
        via: PhantomData<Via>,
    }
}

impl<T, E, F, Via> Future for Fail<F, Via>
where
    F: Future<Output = Result<T, E>>,
    E: CancelAware<Via> + From<TimedOut>,
{
    type Output = Result<T, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Core::with(|core| {
            self.project().inner.poll_body(core, cx).map(|(result, scope)| {
                conclude(core, &scope, result)?.ok_or_else(|| {
                    let reason = scope.reason().expect("what it has absorbed has a reason");
                    TimedOut::of(reason).into()
                })
            })
        })
    }
}

fn fail<T, E, Via>(
    deadline: Deadline,
    reason: CancelReason,
    body: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T, E>>
where
    E: CancelAware<Via> + From<TimedOut>,
{
    Fail { inner: InScope::new(Nature::Limited(deadline, reason), body), via: PhantomData }
}

/// Why something is cancelled that takes longer than is allowed where this was called.
#[track_caller]
fn time_over(text: Option<String>) -> CancelReason {
    CancelReason::new(ReasonKind::Deadline, text, Location::caller())
}

fn at_or_never(at: Option<Instant>) -> Deadline {
    at.map_or(Deadline::NEVER, Deadline::at)
}

fn after_or_never(delay: Option<Duration>) -> Deadline {
    delay.map_or(Deadline::NEVER, Deadline::after)
}

/// Runs a future, and gives it up when it takes longer than `timeout`: then the result is `Ok(None)`. `None` as
/// timeout is no limit.
///
/// Time counts from when the future first waits. A timeout of zero cancels it at its first checkpoint.
///
/// ```
/// use anyio::{Result, move_on_after, sleep};
/// use std::time::Duration;
///
/// # anyio::run(async || -> Result<()> {
/// let ended = move_on_after(Duration::from_millis(10), async {
///     sleep(Duration::from_secs(60)).await?;
///     anyio::Ok("slept")
/// })
/// .await?;
/// assert_eq!(ended, None);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// The future's, cancellations by scopes further out among them.
///
/// # Cancel safety
/// The future is cancelled and awaited, not dropped: it may clean up. A value that it gives nevertheless comes out.
#[track_caller]
pub fn move_on_after<T, E, Via>(
    timeout: impl Into<Option<Duration>>,
    body: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<Option<T>, E>>
where
    E: CancelAware<Via>,
{
    move_on(after_or_never(timeout.into()), time_over(None), body)
}

/// Like [`move_on_after`], with a moment instead of a span. `None` is no limit.
///
/// # Errors
/// The future's, cancellations by scopes further out among them.
///
/// # Cancel safety
/// As for [`move_on_after`].
#[track_caller]
pub fn move_on_at<T, E, Via>(
    deadline: impl Into<Option<Instant>>,
    body: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<Option<T>, E>>
where
    E: CancelAware<Via>,
{
    move_on(at_or_never(deadline.into()), time_over(None), body)
}

/// Runs a future, and fails with [`TimedOut`] when it takes longer than `timeout`. `None` as timeout is no limit.
///
/// ```
/// use anyio::{Error, Result, fail_after, sleep};
/// use std::time::Duration;
///
/// # anyio::run(async || {
/// let result: Result<()> = fail_after(Duration::from_millis(10), async {
///     Ok(sleep(Duration::from_secs(60)).await?)
/// })
/// .await;
/// assert!(matches!(result, Err(Error::TimedOut(_))));
/// # });
/// ```
///
/// # Errors
/// [`TimedOut`], converted, when time was over, and the future's own errors.
///
/// # Cancel safety
/// As for [`move_on_after`].
#[track_caller]
pub fn fail_after<T, E, Via>(
    timeout: impl Into<Option<Duration>>,
    body: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T, E>>
where
    E: CancelAware<Via> + From<TimedOut>,
{
    fail(after_or_never(timeout.into()), time_over(None), body)
}

/// Like [`fail_after`], with a moment instead of a span. `None` is no limit.
///
/// # Errors
/// [`TimedOut`], converted, when time was over, and the future's own errors.
///
/// # Cancel safety
/// As for [`move_on_after`].
#[track_caller]
pub fn fail_at<T, E, Via>(
    deadline: impl Into<Option<Instant>>,
    body: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T, E>>
where
    E: CancelAware<Via> + From<TimedOut>,
{
    fail(at_or_never(deadline.into()), time_over(None), body)
}

/// Like [`fail_after`], with a text that says what is limited. It is in the error, and in the
/// [reason](crate::current_cancel_reason()) that the future can ask for when it is cancelled.
///
/// ```
/// use anyio::{Result, fail_after_because, sleep};
/// use std::time::Duration;
///
/// # anyio::run(async || {
/// let result: Result<()> = fail_after_because(Duration::from_millis(10), "reading the header", async {
///     Ok(sleep(Duration::from_secs(60)).await?)
/// })
/// .await;
/// assert_eq!(result.unwrap_err().to_string(), "the time allowed was over: reading the header");
/// # });
/// ```
///
/// # Errors
/// As for [`fail_after`].
///
/// # Cancel safety
/// As for [`move_on_after`].
#[track_caller]
pub fn fail_after_because<T, E, Via>(
    timeout: impl Into<Option<Duration>>,
    what: impl Into<String>,
    body: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T, E>>
where
    E: CancelAware<Via> + From<TimedOut>,
{
    fail(after_or_never(timeout.into()), time_over(Some(what.into())), body)
}

/// Like [`fail_at`], with a text: see [`fail_after_because`].
///
/// # Errors
/// As for [`fail_after`].
///
/// # Cancel safety
/// As for [`move_on_after`].
#[track_caller]
pub fn fail_at_because<T, E, Via>(
    deadline: impl Into<Option<Instant>>,
    what: impl Into<String>,
    body: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T, E>>
where
    E: CancelAware<Via> + From<TimedOut>,
{
    fail(at_or_never(deadline.into()), time_over(Some(what.into())), body)
}

pin_project! {
    /// A body that no scope further out cancels.
    struct Shielded<F> {
        #[pin]
        inner: InScope<F>,
    }
}

impl<F: Future> Future for Shielded<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        Core::with(|core| {
            self.project().inner.poll_body(core, cx).map(|(output, scope)| {
                scope.leave(core);
                output
            })
        })
    }
}

/// Runs a future to its end although scopes further out are, or come to be, cancelled or told to finish. Made for cleanup; give it a
/// time limit inside if it could hang.
///
/// # Cancel safety
/// No cancellation reaches the future. Dropping it drops what is in it.
pub fn shield<F: Future>(body: F) -> impl Future<Output = F::Output> {
    Shielded { inner: InScope::new(Nature::Shielded, body) }
}
