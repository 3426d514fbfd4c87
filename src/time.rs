//! Sleeping.

use crate::{
    error::Cancelled,
    runtime::{self, Core, WaitKey, WaitKind, WaitReason, WaitState},
};
use std::{
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

/// How long a [`Sleep`] lasts.
#[derive(Debug, Clone, Copy)]
enum Span {
    For(Duration),
    Until(Instant),
    Forever,
}

/// Waits for a moment. Made by [`sleep`], [`sleep_until`] and [`sleep_forever`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    span: Span,
    wait: Option<WaitKey>,
    yielded: bool,
    _thread: PhantomData<*const ()>,
}

impl Sleep {
    fn new(span: Span) -> Self {
        Self { span, wait: None, yielded: false, _thread: PhantomData }
    }

    /// Begins to wait, or finds that there is nothing to wait for.
    fn begin(&mut self, core: &Core, cx: &Context<'_>) -> Poll<()> {
        let at = match self.span {
            Span::For(Duration::ZERO) => return self.let_others_run(cx),
            Span::For(duration) => core.now().checked_add(duration),
            Span::Until(at) if at <= core.now() => return self.let_others_run(cx),
            Span::Until(at) => Some(at),
            Span::Forever => None,
        };
        let wait = match at {
            Some(at) => core.waits().insert_timer(at),
            None => core.waits().insert(WaitKind::Hook, WaitReason::SleepForever),
        };
        // From here on the moment is fixed, should the wait have to begin again.
        self.span = at.map_or(Span::Forever, Span::Until);
        self.wait = Some(wait);
        // New, and not cancelled yet; from here on what ends it finds it, also while the waker is cloned.
        core.follow_scope(wait);
        core.waits().set_waker(wait, cx.waker());
        Poll::Pending
    }

    /// Nothing to wait for, but others have their turn.
    fn let_others_run(&mut self, cx: &Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn end(&mut self, core: &Core) {
        if let Some(wait) = self.wait.take() {
            drop(core.waits().remove_if_current(wait));
        }
    }
}

impl Future for Sleep {
    type Output = Result<(), Cancelled>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Core::with(|core| {
            if let Some(wait) = self.wait {
                match core.waits().state(wait) {
                    WaitState::Waiting => {
                        core.waits().set_waker(wait, cx.waker());
                        if !core.follow_scope(wait) {
                            return Poll::Pending;
                        }
                        self.end(core);
                        return Poll::Ready(Err(Cancelled::new()));
                    }
                    WaitState::Done => {
                        self.end(core);
                        return Poll::Ready(Ok(()));
                    }
                    WaitState::Cancelled => {
                        // SAFETY: used only here, while the wait is linked.
                        let wanted =
                            unsafe { core.waits().scope(wait) }.is_none_or(|scope| scope.is_effective());
                        self.end(core);
                        if wanted {
                            return Poll::Ready(Err(Cancelled::new()));
                        }
                    }
                }
            } else if core.reach_checkpoint() {
                return core.poll_delivery(cx).map(|()| Err(Cancelled::new()));
            }
            self.begin(core, cx).map(Ok)
        })
    }
}

impl Drop for Sleep {
    #[inline]
    fn drop(&mut self) {
        if self.wait.is_some() {
            Core::try_with(|core| self.end(core));
        }
    }
}

/// Waits for at least `duration`, on the run's [`Clock`](crate::Clock). Zero lets other tasks have their turn. Time
/// counts from the first poll.
///
/// ```
/// # anyio::run(async || -> anyio::Result<()> {
/// let before = anyio::current_time();
/// anyio::sleep(std::time::Duration::from_millis(5)).await?;
/// assert!(anyio::current_time() - before >= std::time::Duration::from_millis(5));
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// [`Cancelled`] as soon as the scope is cancelled.
///
/// # Cancel safety
/// Nothing is lost.
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::new(Span::For(duration))
}

/// Waits until a moment, as [`current_time`] tells it. One that has passed lets other tasks have their turn.
///
/// # Errors
/// [`Cancelled`] as soon as the scope is cancelled.
///
/// # Cancel safety
/// Nothing is lost.
pub fn sleep_until(at: Instant) -> Sleep {
    Sleep::new(Span::Until(at))
}

/// Waits until the scope is cancelled.
///
/// # Cancel safety
/// Nothing is lost.
pub async fn sleep_forever() -> Cancelled {
    loop {
        if let Err(cancelled) = Sleep::new(Span::Forever).await {
            return cancelled;
        }
    }
}

/// The time on the [`Clock`](crate::Clock) by which this run sleeps; outside of a run, [`Instant::now`].
pub fn current_time() -> Instant {
    runtime::clock::now()
}
