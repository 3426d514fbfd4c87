//! The one wait that all primitives share.
//!
//! A primitive says what it hands out ([`Grant`]); [`Waiting`] is the future around it. It is a checkpoint also when
//! nothing has to be waited for, queues up first in, first out, lets its scope cancel it, and, when it is dropped after
//! it was handed something, has that passed on.

use crate::{
    error::Cancelled,
    runtime::{Core, WaitQueue, WaitReason, Waiter, Woken},
};
use anyio_driver::planted;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// What a primitive hands to those who wait.
pub(crate) trait Grant {
    /// What a task waits for that waits for this.
    const REASON: WaitReason;

    /// What comes out of the wait.
    type Output;

    /// Where to queue up.
    fn queue(&self) -> &WaitQueue;

    /// Gives the output if nobody and nothing has to be waited for.
    fn try_now(&mut self) -> Option<Self::Output>;

    /// Called right before queueing up; gives the label to queue up under.
    fn queue_up(&mut self) -> u64 {
        0
    }

    /// It was its turn: something was handed over to it, or ended for it, as `answer` tells.
    fn granted(&mut self, answer: i32) -> Self::Output;

    /// It has left the queue before its turn.
    fn left(&mut self) {}

    /// It is dropped after its turn has come: hands on what it was given.
    fn pass_on(&mut self, answer: i32);
}

/// A wait for what a primitive hands out. After its output it may be polled again, for the next.
pub(crate) struct Waiting<G: Grant> {
    grant: G,
    waiter: Waiter,
    shielded: bool,
    /// Whether the grant has queued up, and was told neither that it has left nor that it was granted: a panic of a waker may
    /// come between.
    queued: bool,
}

impl<G: Grant> Waiting<G> {
    /// A wait that scopes cancel.
    pub(crate) fn new(grant: G) -> Self {
        Self { grant, waiter: Waiter::new(G::REASON), shielded: false, queued: false }
    }

    /// A wait that scopes do not cancel.
    pub(crate) fn shielded(grant: G) -> Self {
        Self { grant, waiter: Waiter::new(G::REASON), shielded: true, queued: false }
    }

    /// Whether it stands in the queue, or has been notified there.
    pub(crate) fn is_queued(&self) -> bool {
        self.waiter.is_waiting()
    }

    /// Who waits.
    pub(crate) fn grant(&self) -> &G {
        &self.grant
    }

    fn check(&self, core: &Core, cx: &Context<'_>) -> Poll<Result<(), Cancelled>> {
        if !self.shielded && core.reach_checkpoint() {
            return core.poll_delivery(cx).map(|()| Err(Cancelled::new()));
        }
        core.poll_immediate(cx).map(Ok)
    }

    pub(crate) fn poll_grant(&mut self, core: &Core, cx: &Context<'_>) -> Poll<Result<G::Output, Cancelled>> {
        if self.waiter.is_waiting() {
            let woken = match self.waiter.poll_linked(core, self.grant.queue(), cx, !self.shielded) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(woken) => woken,
            };
            self.queued = false;
            if planted("permit swallowed by a cancelled waiter") && !self.shielded && core.reach_checkpoint()
            {
                return Poll::Ready(Err(Cancelled::new()));
            }
            if let Ok(Woken::Notified) = woken {
                return Poll::Ready(Ok(self.grant.granted(self.waiter.answer())));
            }
            self.grant.left();
            if let Err(cancelled) = woken {
                return Poll::Ready(Err(cancelled));
            }
        }
        match self.check(core, cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(checked) => checked?,
        }
        if let Some(output) = self.grant.try_now() {
            return Poll::Ready(Ok(output));
        }
        let label = self.grant.queue_up();
        self.queued = true;
        self.waiter.queue_up(core, self.grant.queue(), cx, label, !self.shielded);
        Poll::Pending
    }
}

impl<G: Grant> Unpin for Waiting<G> {}

impl<G: Grant> Future for Waiting<G> {
    type Output = Result<G::Output, Cancelled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Core::with(|core| self.poll_grant(core, cx))
    }
}

impl<G: Grant> Drop for Waiting<G> {
    fn drop(&mut self) {
        if !self.queued {
            return;
        }
        Core::change_anywhere(|| {
            if self.waiter.withdraw(self.grant.queue()) {
                if planted("permit swallowed by a dropped waiter") {
                    return;
                }
                self.grant.pass_on(self.waiter.answer());
            } else {
                self.grant.left();
            }
        });
    }
}

impl<G: Grant> fmt::Debug for Waiting<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").field("queued", &self.waiter.is_waiting()).finish_non_exhaustive()
    }
}
