//! Waiting for what a kept operation brings.

use crate::{
    error::{Error, Result},
    runtime::{Core, StoredWaker, WaitKey, WaitState},
};
use std::{
    cell::Cell,
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

/// What keeps a receive in flight for whoever waits for it.
pub(crate) trait Keeper {
    /// What it brings.
    type Item;

    /// What that is made of.
    type Ready;

    /// What it does, for whoever wants it to do the same at the same time.
    const DOING: &'static str;

    /// Whether a task is receiving.
    fn busy(&self) -> &Cell<bool>;

    /// What has come and was not given out yet.
    fn take_ready(&self, core: &Core) -> Option<Result<Self::Ready>>;

    /// Makes of it what is given out, once. It is made last, where it is wanted, as moving it may cost more than making it.
    fn give(&self, core: &Core, ready: Self::Ready) -> Self::Item;

    /// The operation in flight.
    fn in_flight(&self) -> Option<WaitKey>;

    /// Begins one. Tells whether it has its answer already.
    fn begin(&self, core: &Core) -> (WaitKey, bool);
}

/// Whoever has a share of it.
impl<K: Keeper> Keeper for &K {
    type Item = K::Item;
    type Ready = K::Ready;

    const DOING: &'static str = K::DOING;

    #[inline]
    fn busy(&self) -> &Cell<bool> {
        (**self).busy()
    }

    #[inline(always)]
    fn take_ready(&self, core: &Core) -> Option<Result<Self::Ready>> {
        (**self).take_ready(core)
    }

    #[inline(always)]
    fn give(&self, core: &Core, ready: Self::Ready) -> Self::Item {
        (**self).give(core, ready)
    }

    #[inline]
    fn in_flight(&self) -> Option<WaitKey> {
        (**self).in_flight()
    }

    #[inline]
    fn begin(&self, core: &Core) -> (WaitKey, bool) {
        (**self).begin(core)
    }
}

/// Receives. Only takes its waiter off when it is dropped.
pub(crate) struct Receive<K: Keeper> {
    receiving: K,
    phase: Phase,
    _thread: PhantomData<*const ()>,
}

impl<K: Keeper> Receive<K> {
    #[inline]
    pub(crate) fn new(receiving: K) -> Self {
        Self { receiving, phase: Phase::New, _thread: PhantomData }
    }

    /// The future is over, and another may receive.
    fn end(&mut self) {
        self.receiving.busy().set(false);
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

impl<K: Keeper + Copy + Unpin> Future for Receive<K> {
    type Output = Result<K::Item>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        Core::with(|core| {
            let receiving = this.receiving;
            match this.phase {
                Phase::New => {
                    if receiving.busy().replace(true) {
                        return Poll::Ready(Err(Error::BusyResource(K::DOING)));
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
                    return Poll::Ready(match ready {
                        Ok(ready) => Ok(receiving.give(core, ready)),
                        Err(error) => Err(error),
                    });
                }
                let wait = match receiving.in_flight() {
                    Some(wait) => wait,
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

impl<K: Keeper> Drop for Receive<K> {
    #[inline]
    fn drop(&mut self) {
        if matches!(self.phase, Phase::Begun | Phase::Waiting(_)) {
            let _last = Core::try_with(|core| self.unhook(core));
            self.receiving.busy().set(false);
        }
    }
}
