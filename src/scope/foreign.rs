//! Futures of others as checkpoints.

use crate::{
    error::Cancelled,
    runtime::{Core, Standing, WaitKey, WaitKind, WaitReason},
};
use pin_project_lite::pin_project;
use std::{
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// A future of others that scopes can cancel. Made by [`foreign`].
    #[must_use = "futures do nothing unless awaited"]
    pub struct Foreign<F> {
        #[pin]
        future: Option<F>,
        reason: WaitReason,
        wait: Option<WaitKey>,
        thread: PhantomData<*const ()>,
    }

    impl<F> PinnedDrop for Foreign<F> {
        fn drop(this: Pin<&mut Self>) {
            let wait = this.project().wait.take();
            Core::try_with(|core| end(core, wait));
        }
    }
}

/// Makes any future a checkpoint: one of another library's channel, timer or pool, which knows nothing of scopes.
///
/// ```
/// # anyio::run(async || -> anyio::Result<()> {
/// let five = anyio::foreign(std::future::ready(5)).await?;
/// assert_eq!(five, 5);
/// # Ok(()) }).unwrap();
/// ```
///
/// # Errors
/// [`Cancelled`] if the scope is cancelled before the future is ready.
///
/// # Cancel safety
/// When the scope is cancelled the future is polled once more, and dropped if it is not ready then. What is lost by
/// dropping it is up to the future.
pub fn foreign<F: Future>(future: F) -> Foreign<F> {
    foreign_for(WaitReason::Foreign, future)
}

/// The same for a future of whom it is known what it waits for.
pub(crate) fn foreign_for<F: Future>(reason: WaitReason, future: F) -> Foreign<F> {
    Foreign { future: Some(future), reason, wait: None, thread: PhantomData }
}

fn end(core: &Core, wait: Option<WaitKey>) {
    if let Some(wait) = wait {
        drop(core.waits().remove_if_current(wait));
    }
}

impl<F: Future> Future for Foreign<F> {
    type Output = Result<F::Output, Cancelled>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        Core::with(|core| {
            if this.wait.is_none() && core.reach_checkpoint() {
                return core.poll_delivery(cx).map(|()| {
                    this.future.set(None);
                    Err(Cancelled::new())
                });
            }
            // One that is ready at once is a checkpoint too.
            if this.wait.is_none() && core.poll_immediate(cx).is_pending() {
                return Poll::Pending;
            }
            let future = this.future.as_mut().as_pin_mut().expect("not polled after its output");
            let polled = future.poll(cx);
            if polled.is_ready() || core.scope_is_effective() {
                core.change(|core| {
                    end(core, this.wait.take());
                    this.future.set(None);
                });
                return Poll::Ready(match polled {
                    Poll::Ready(output) => Ok(output),
                    Poll::Pending => Err(Cancelled::new()),
                });
            }
            if this.wait.is_some_and(|wait| core.standing(wait, cx.waker()) == Standing::Untouched) {
                return Poll::Pending;
            }
            let wait = *this.wait.get_or_insert_with(|| core.waits().insert(WaitKind::Hook, *this.reason));
            core.waits().reset(wait);
            // The scope is not cancelled; should it be while the waker is cloned, the waker is woken.
            core.follow_scope(wait);
            core.waits().set_waker(wait, cx.waker());
            Poll::Pending
        })
    }
}
