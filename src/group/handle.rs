//! What is left in hand of a child.

use super::{
    child,
    core::ChildHeader,
    drive,
    status::{NoValue, TaskStatus},
};
use crate::{
    error::Cancelled,
    runtime::{Core, FirstPanic, Scope, WaitReason, Waiter},
};
use std::{
    fmt,
    future::{Future, poll_fn},
    marker::PhantomData,
    pin::Pin,
    ptr::NonNull,
    task::{Context, Poll},
};

/// A child of a group: to await its value, to cancel it alone, to see how it stands.
///
/// Awaiting gives the child's value, or [`Cancelled`] if there is none because it was cancelled or has failed; the error
/// itself goes to the group, once. [`outcome`](Self::outcome) tells these apart. A child whose errors somebody else is to have
/// gives a `Result` as its value: `async { anyio::Ok(work().await) }`. The handle may be dropped at any time; the child goes on.
///
/// # Cancel safety
/// A value is not lost when the wait for it is cancelled: the handle can be awaited again.
pub struct TaskHandle<'scope, T> {
    child: NonNull<ChildHeader>,
    waiter: Waiter,
    _value: PhantomData<(&'scope (), T)>,
}

impl<T> TaskHandle<'_, T> {
    /// # Safety
    /// The handle takes over one share in the child, whose value is a `T`.
    pub(super) unsafe fn new(child: NonNull<ChildHeader>) -> Self {
        Self { child, waiter: Waiter::new(WaitReason::TaskEnd), _value: PhantomData }
    }

    pub(super) fn pointer(&self) -> *const ChildHeader {
        self.child.as_ptr()
    }

    fn header(&self) -> &ChildHeader {
        // SAFETY: the handle owns a share.
        unsafe { self.child.as_ref() }
    }

    /// Names the child, for messages and debugging.
    #[must_use = "gives the handle back; use `set_name` otherwise"]
    pub fn named(self, name: impl Into<String>) -> Self {
        self.set_name(name);
        self
    }

    /// Names the child, for messages and debugging.
    pub fn set_name(&self, name: impl Into<String>) {
        self.header().set_name(name.into().into_boxed_str());
    }

    /// The child's name: the one that was given, or the place in the source where it was started.
    pub fn name(&self) -> String {
        self.header().name().unwrap_or_else(|| self.header().location.to_string())
    }

    /// How the child stands.
    pub fn status(&self) -> TaskStatus {
        match self.header().status.get() {
            TaskStatus::Pending if self.header().scope.cancel_called() => TaskStatus::Cancelling,
            status => status,
        }
    }

    /// Whether the child has ended.
    #[inline]
    pub fn is_finished(&self) -> bool {
        self.header().status.get() != TaskStatus::Pending
    }

    /// Cancels this child alone. The group does not see that as an error. A child that has not begun still runs up to its
    /// first checkpoint; one that has ended is not touched.
    #[track_caller]
    pub fn cancel(&self) {
        if !self.is_finished() {
            self.header().scope.cancel();
        }
    }

    /// Like [`cancel`](Self::cancel), with a text that says why.
    #[track_caller]
    pub fn cancel_because(&self, reason: impl Into<String>) {
        if !self.is_finished() {
            self.header().scope.cancel_because(reason);
        }
    }

    /// The child's own scope.
    pub fn scope(&self) -> &Scope {
        &self.header().scope
    }

    /// Waits until the child has ended, however it does.
    ///
    /// # Errors
    /// [`Cancelled`] if the waiting itself is cancelled.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn wait(&self) -> Result<(), Cancelled> {
        let mut wait = Wait { header: self.header(), waiter: Waiter::new(WaitReason::TaskEnd) };
        // SAFETY: the handle owns a share, and is borrowed.
        poll_fn(|cx| unsafe { poll_end(self.child, &mut wait.waiter, cx) }).await
    }

    /// Waits until the child has ended, and gives its value, or tells why there is none. Unlike awaiting the handle, this tells
    /// a child that was cancelled or has failed from a cancellation of who waits, which is the outer error.
    ///
    /// ```
    /// use anyio::{NoValue, Result, sleep_forever, task_group};
    ///
    /// # anyio::run(async || -> Result<()> {
    /// task_group(async |tg| -> Result<()> {
    ///     let mut child = tg.start_soon(async { Err::<(), anyio::Error>(sleep_forever().await.into()) });
    ///     child.cancel();
    ///     assert_eq!(child.outcome().await?, Err(NoValue::Cancelled));
    ///     Ok(())
    /// })
    /// .await?;
    /// # Ok(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`Cancelled`] if the waiting itself is cancelled.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn outcome(&mut self) -> Result<Result<T, NoValue>, Cancelled> {
        self.wait().await?;
        Ok(self.try_take())
    }

    /// The child's value, if it has finished with one.
    ///
    /// # Errors
    /// [`NoValue`] says why there is none.
    #[inline]
    pub fn try_take(&mut self) -> Result<T, NoValue> {
        match self.header().status.get() {
            // SAFETY: the handle's type is the value's, and it is only taken when the child has finished.
            TaskStatus::Finished => unsafe { child::take_value(self.child) }.ok_or(NoValue::Taken),
            TaskStatus::Pending | TaskStatus::Cancelling => Err(NoValue::Pending),
            TaskStatus::Cancelled => Err(NoValue::Cancelled),
            TaskStatus::Failed => Err(NoValue::Failed),
        }
    }
}

struct Wait<'a> {
    header: &'a ChildHeader,
    waiter: Waiter,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        self.waiter.withdraw(&self.header.joiners);
    }
}

/// # Safety
/// The caller owns a share in the child.
unsafe fn poll_end(
    child: NonNull<ChildHeader>,
    waiter: &mut Waiter,
    cx: &Context<'_>,
) -> Poll<Result<(), Cancelled>> {
    // SAFETY: the caller's promise.
    let header = unsafe { child.as_ref() };
    Core::with(|core| {
        if !waiter.is_waiting() {
            if core.reach_checkpoint() {
                return core.poll_delivery(cx).map(|()| Err(Cancelled::new()));
            }
            if header.status.get() == TaskStatus::Pending {
                // SAFETY: the caller's promise.
                unsafe { drive::poll_for_body(core, child) };
            }
        }
        loop {
            if header.status.get() != TaskStatus::Pending && !waiter.is_waiting() {
                return core.poll_immediate(cx).map(Ok);
            }
            match waiter.poll(core, &header.joiners, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(_)) if header.status.get() != TaskStatus::Pending => {
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(cancelled)) => return Poll::Ready(Err(cancelled)),
            }
        }
    })
}

impl<T> Future for TaskHandle<'_, T> {
    type Output = Result<T, Cancelled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        // SAFETY: the handle owns a share.
        unsafe { poll_end(this.child, &mut this.waiter, cx) }.map(|ended| {
            ended?;
            this.try_take().map_err(|_| Cancelled::new())
        })
    }
}

impl<T> Unpin for TaskHandle<'_, T> {}

/// A handle's share in its child, given up also if something panics before.
struct Share(NonNull<ChildHeader>);

impl Drop for Share {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the share belongs to this, and nothing uses the child through it any more.
        let release = || unsafe { child::release(self.0) };
        if std::thread::panicking() {
            // A second panic would end the process.
            FirstPanic::new().catch(release);
        } else {
            release();
        }
    }
}

impl<T> Drop for TaskHandle<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let _share = Share(self.child);
        // SAFETY: the handle owns a share, given up at the end of this.
        self.waiter.withdraw(unsafe { &self.child.as_ref().joiners });
    }
}

impl<T> fmt::Debug for TaskHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHandle").field("name", &self.name()).field("status", &self.status()).finish()
    }
}
