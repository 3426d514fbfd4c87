//! Sleeping.

use crate::{
    error::Cancelled,
    runtime::{Core, WaitKey, WaitState},
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
            Span::For(Duration::ZERO) => None,
            Span::For(duration) => Instant::now().checked_add(duration).or_else(far_away),
            Span::Until(at) => Some(at).filter(|&at| at > Instant::now()),
            Span::Forever => far_away(),
        };
        let Some(at) = at else {
            // Nothing to wait for, but others have their turn.
            if std::mem::replace(&mut self.yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        let wait = core.waits().insert_timer(at);
        core.waits().set_waker(wait, cx.waker());
        core.link_to_scope(wait);
        // From here on the moment is fixed, should the wait have to begin again.
        self.span = Span::Until(at);
        self.wait = Some(wait);
        Poll::Pending
    }

    fn end(&mut self, core: &Core) {
        if let Some(wait) = self.wait.take().filter(|&wait| core.waits().is_current(wait)) {
            core.waits().remove(wait);
        }
    }
}

/// A moment that nobody lives to see.
fn far_away() -> Option<Instant> {
    Instant::now().checked_add(Duration::from_secs(3600 * 24 * 365 * 500))
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
            } else if core.scope_is_effective() {
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

/// Waits for at least `duration`, on the monotonic clock. Zero lets other tasks have their turn. Time counts from
/// the first poll.
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

/// Waits until a moment. One that has passed lets other tasks have their turn.
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

/// The time on the clock by which anyio sleeps.
pub fn current_time() -> Instant {
    Instant::now()
}
