//! Waiting for what a kept operation brings.

use crate::{
    error::{Error, Result},
    runtime::{Core, Standing, StoredWaker, WaitKey},
};
use std::{
    cell::Cell,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
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

    /// Makes of it what is given out. It is made last, where it is wanted, as moving it may cost more than making it.
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

    #[inline(always)]
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

    #[inline(always)]
    fn in_flight(&self) -> Option<WaitKey> {
        (**self).in_flight()
    }

    #[inline(always)]
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
            Phase::Waiting(wait) => unhook(core, wait),
            _ => StoredWaker::NONE,
        }
    }
}

/// Takes the waiter off an operation, if that is still in flight.
fn unhook(core: &Core, wait: WaitKey) -> StoredWaker {
    if core.waits().is_current(wait) { core.waits().unhook(wait) } else { StoredWaker::NONE }
}

/// What came out of polling.
enum Polled<T> {
    /// It is over. The waker goes last, when whoever was polled is over as well.
    Over(Result<T>, StoredWaker),
    /// It waits for this operation.
    Waits(WaitKey),
}

/// Takes what has come, or has the task woken by the operation in flight, and begins one if there is none.
#[inline(always)]
fn poll_brought<K: Keeper + Copy>(
    core: &Core,
    receiving: K,
    mut hooked: Option<WaitKey>,
    cx: &mut Context<'_>,
) -> Polled<K::Ready> {
    loop {
        if let Some(ready) = receiving.take_ready(core) {
            let last = match hooked {
                Some(wait) if receiving.in_flight() == hooked => core.waits().unhook(wait),
                _ => StoredWaker::NONE,
            };
            return Polled::Over(ready, last);
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
        if !core.wait_on(wait, cx.waker()) {
            return Polled::Waits(wait);
        }
        // If it is not wanted any more, because a shield came up meanwhile, the wait begins again.
        hooked = None;
        let last = unhook(core, wait);
        if let Err(cancelled) = core.check_cancelled() {
            return Polled::Over(Err(cancelled.into()), last);
        }
    }
}

/// Receives for those who poll. Between polls nothing but a waker belongs to them: whoever receives by a future takes their
/// place, and what is polled again takes it back.
#[inline]
pub(crate) fn poll_receive<K: Keeper + Copy>(receiving: K, cx: &mut Context<'_>) -> Poll<Result<K::Item>> {
    Core::with(|core| {
        let standing = match receiving.in_flight() {
            Some(wait) => core.standing(wait, cx.waker()),
            None => Standing::Unlinked,
        };
        if standing == Standing::Untouched && !receiving.busy().get() {
            // Whoever polls does so for other reasons, too.
            return Poll::Pending;
        }
        poll_anew(core, receiving, standing, cx)
    })
}

#[inline(never)]
fn poll_anew<K: Keeper + Copy>(
    core: &Core,
    receiving: K,
    standing: Standing,
    cx: &mut Context<'_>,
) -> Poll<Result<K::Item>> {
    if receiving.busy().get() {
        return Poll::Ready(Err(Error::BusyResource(K::DOING)));
    }
    let hooked = match standing {
        Standing::Unlinked => {
            ready!(core.poll_checkpoint(cx))?;
            None
        }
        Standing::Linked | Standing::Untouched => receiving.in_flight(),
    };
    match poll_brought(core, receiving, hooked, cx) {
        Polled::Over(brought, _last) => Poll::Ready(brought.map(|ready| receiving.give(core, ready))),
        Polled::Waits(_) => Poll::Pending,
    }
}

impl<K: Keeper + Copy + Unpin> Future for Receive<K> {
    type Output = Result<K::Item>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        Core::with(|core| {
            let receiving = this.receiving;
            let hooked = match this.phase {
                Phase::New if receiving.busy().replace(true) => {
                    return Poll::Ready(Err(Error::BusyResource(K::DOING)));
                }
                Phase::Over => panic!("a receive was polled after its end"),
                Phase::New | Phase::Begun => {
                    this.phase = Phase::Begun;
                    if let Err(cancelled) = ready!(core.poll_checkpoint(cx)) {
                        this.end();
                        return Poll::Ready(Err(cancelled));
                    }
                    None
                }
                Phase::Waiting(wait) => Some(wait),
            };
            match poll_brought(core, receiving, hooked, cx) {
                Polled::Over(brought, _last) => {
                    this.end();
                    Poll::Ready(brought.map(|ready| receiving.give(core, ready)))
                }
                Polled::Waits(wait) => {
                    this.phase = Phase::Waiting(wait);
                    Poll::Pending
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
