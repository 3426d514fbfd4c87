//! Waiting for bytes.

use super::{RECEIVING, Receiving, Source};
use crate::{
    error::{Error, Result},
    runtime::{Core, StoredWaker, WaitKey, WaitState},
};
use anyio_driver::Chunk;
use std::{
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    /// This side is reserved for this future.
    Begun,
    /// The future waits for this operation.
    Waiting(WaitKey),
    Over,
}

/// Receives some bytes. Only takes its waiter off when it is dropped.
pub(crate) struct Receive<'a, S: Source> {
    receiving: &'a Receiving<S>,
    phase: Phase,
    _thread: PhantomData<*const ()>,
}

impl<'a, S: Source> Receive<'a, S> {
    #[inline]
    pub(super) fn new(receiving: &'a Receiving<S>) -> Self {
        Self { receiving, phase: Phase::New, _thread: PhantomData }
    }

    /// The future is over, and another may receive.
    fn end(&mut self) {
        self.receiving.busy.set(false);
        self.phase = Phase::Over;
    }

    /// The future is no longer the one that waits.
    fn unhook(&mut self, core: &Core) -> StoredWaker {
        match std::mem::replace(&mut self.phase, Phase::Begun) {
            Phase::Waiting(wait) if core.waits().is_current(wait) => core.waits().unhook(wait),
            _ => StoredWaker::NONE,
        }
    }
}

impl<S: Source> Future for Receive<'_, S> {
    type Output = Result<Option<Chunk>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        Core::with(|core| {
            let receiving = this.receiving;
            match this.phase {
                Phase::New => {
                    if receiving.busy.replace(true) {
                        return Poll::Ready(Err(Error::BusyResource(RECEIVING)));
                    }
                    this.phase = Phase::Begun;
                }
                Phase::Over => panic!("a receive was polled after its end"),
                Phase::Begun | Phase::Waiting(_) => {}
            }
            if this.phase == Phase::Begun {
                if let Err(cancelled) = core.check_cancelled() {
                    return core.poll_delivery(cx).map(|()| {
                        this.end();
                        Err(cancelled.into())
                    });
                }
                if core.poll_immediate(cx).is_pending() {
                    return Poll::Pending;
                }
            }
            loop {
                if let Some(ready) = receiving.take_ready(core) {
                    let _last = this.unhook(core);
                    this.end();
                    return Poll::Ready(ready);
                }
                let wait = match receiving.operation.get() {
                    Some((wait, _)) => wait,
                    None => {
                        let (wait, answered) = receiving.begin(core);
                        if answered && core.poll_immediate(cx).is_ready() {
                            continue;
                        }
                        wait
                    }
                };
                this.phase = Phase::Waiting(wait);
                core.waits().set_waker(wait, cx.waker());
                let cancelled = core.follow_scope(wait) || core.waits().state(wait) == WaitState::Cancelled;
                if !cancelled {
                    return Poll::Pending;
                }
                // If it is not wanted any more, because a shield came up meanwhile, the wait begins again.
                let _last = this.unhook(core);
                if let Err(cancelled) = core.check_cancelled() {
                    this.end();
                    return Poll::Ready(Err(cancelled.into()));
                }
            }
        })
    }
}

impl<S: Source> Drop for Receive<'_, S> {
    #[inline]
    fn drop(&mut self) {
        if matches!(self.phase, Phase::Begun | Phase::Waiting(_)) {
            let _last = Core::try_with(|core| self.unhook(core));
            self.receiving.busy.set(false);
        }
    }
}
