//! A run whose thread is a host's between its turns.
//!
//! A host is another event loop, in which the whole run is one future. While that is not being polled the thread is lent: the
//! executor is not the current one, but tasks of the host may use what belongs to the run all the same. Whoever does so finds
//! the executor by the way for those who find none, and has the host called first, so that there is a turn for what he does:
//! an operation, a timer, a task that he wakes. So none of these places has to know of hosts.

use super::{CURRENT, Core, LENT};
use anyio_driver::{Driver, Rest, Wait};
use std::{
    cell::Cell,
    ptr,
    task::{Context, Waker},
    time::Instant,
};

/// How a host is called.
#[derive(Default)]
pub(super) struct Host {
    waker: Cell<Option<Waker>>,
    /// Whether somebody has used the run while the thread was lent.
    called: Cell<bool>,
}

/// Finds the executor to which this thread belongs although a host has it, and has the host poll it again.
#[cold]
pub(super) fn call() -> *const Core {
    let lent = LENT.try_with(Cell::get).unwrap_or(ptr::null());
    // SAFETY: the pointer leads to an executor as long as it is set: see the contract of `Core`.
    if let Some(core) = unsafe { lent.as_ref() } {
        core.host.call();
    }
    lent
}

impl Host {
    fn call(&self) {
        if self.called.replace(true) {
            return;
        }
        // Taken out meanwhile: it is code of users, which may come here again.
        if let Some(waker) = self.waker.take() {
            waker.wake_by_ref();
            self.keep(waker);
        }
    }

    fn keep(&self, waker: Waker) {
        drop(self.waker.replace(Some(waker)));
    }
}

/// Who has an executor while its thread is lent.
pub(crate) struct Lending(Cell<*const Core>);

impl Default for Lending {
    fn default() -> Self {
        Self(Cell::new(std::ptr::null()))
    }
}

impl Lending {
    /// Has the executor back, if there is one yet, as long as the guard lives.
    pub(crate) fn take_back(&self) -> TakenBack<'_> {
        let held = self.0.replace(ptr::null());
        if !held.is_null() {
            LENT.set(ptr::null());
            CURRENT.set(held);
        }
        // A run of somebody else is the current one only if this one has not begun, and never will.
        TakenBack { lending: self, is_own: !held.is_null() || CURRENT.get().is_null() }
    }

    /// Notes by whom the host is to be called, while the thread is lent.
    pub(crate) fn keep_waker(&self, cx: &Context<'_>) {
        // SAFETY: the pointer is kept as long as the executor lives.
        let Some(core) = (unsafe { self.0.get().as_ref() }) else { return };
        let known = core.host.waker.take();
        if known.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            core.host.waker.set(known);
        } else {
            core.host.keep(cx.waker().clone());
            drop(known);
            // The copying and the dropping may have used the run.
            if core.host.called.get() {
                cx.waker().wake_by_ref();
            }
        }
    }
}

/// Lends the thread again when dropped, unless the run is over.
pub(crate) struct TakenBack<'a> {
    lending: &'a Lending,
    is_own: bool,
}

impl Drop for TakenBack<'_> {
    fn drop(&mut self) {
        if !self.is_own {
            return;
        }
        let current = CURRENT.replace(ptr::null());
        if !current.is_null() {
            self.lending.0.set(current);
            LENT.set(current);
        }
    }
}

impl Core {
    /// Prepares for a host's waiting in place of the driver's. Gives until when it may wait, or `None` if there is something
    /// to be done at once.
    pub(crate) fn begin_rest(&self, wait: Wait) -> Option<Option<Instant>> {
        self.host.called.set(false);
        let until = match wait {
            Wait::No => return None,
            Wait::Until(at) if at <= Instant::now() => return None,
            Wait::Until(at) => Some(at),
            Wait::Forever => None,
        };
        if !self.lease.inbox().fall_asleep() {
            return None;
        }
        match self.driver_mut().rest() {
            Rest::Until(retry) => Some([until, retry].into_iter().flatten().min()),
            Rest::No => {
                self.end_rest();
                None
            }
        }
    }

    /// Ends what `begin_rest` has begun.
    pub(crate) fn end_rest(&self) {
        self.lease.inbox().wake_up();
    }

    /// Whether the run has been used since it began to rest.
    pub(crate) fn was_called(&self) -> bool {
        self.host.called.get() || self.has_work()
    }
}
