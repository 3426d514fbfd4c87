//! Accepting connections.
//!
//! As with receives, the operation belongs to the listener: a cancelled or dropped `accept` leaves it in flight, and the
//! next call gets the connection.

use crate::reserved::Reserved;
use crate::{
    error::Result,
    runtime::{
        Core, Descriptor, Disposer, Outcome, Refusal, WaitKey, WaitKind, WaitReason, WaitState, abandon,
        calls,
    },
};
use anyio_driver::{Completion, Op, planted};
use std::{cell::Cell, future::poll_fn, os::fd::OwnedFd, rc::Rc, task::Poll};

/// Who gets a connection that was accepted and that nobody here takes any more.
pub(crate) type Heir = Rc<dyn Fn(OwnedFd)>;

/// The accepting side of a listening socket.
pub(super) struct Accepting {
    descriptor: Descriptor,
    operation: Cell<Option<WaitKey>>,
    busy: Cell<bool>,
    /// Without one such a connection is closed.
    heir: Option<Heir>,
}

impl Accepting {
    pub(super) fn new(descriptor: Descriptor) -> Self {
        Self::with_heir(descriptor, None)
    }

    pub(super) fn with_heir(descriptor: Descriptor, heir: Option<Heir>) -> Self {
        Self { descriptor, operation: Cell::new(None), busy: Cell::new(false), heir }
    }

    pub(super) fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Accepts a connection.
    pub(super) async fn accept(&self) -> Result<Descriptor> {
        let _reserved = Reserved::of(&self.busy, "accepting connections from this listener")?;
        let mut hook = Hook(None);
        poll_fn(|cx| {
            Core::with(|core| {
                let waits = core.waits();
                loop {
                    if hook.0.is_none() {
                        if let Err(stopped) = core.check_starting() {
                            return core.poll_delivery(cx).map(|()| Err(stopped));
                        }
                    }
                    let wait = self.operation.get().unwrap_or_else(|| self.begin(core));
                    if let Some(outcome) = waits.outcome(wait) {
                        // A connection that came while nobody waited is here at once; others have their turn all the same.
                        if hook.0.is_none() && core.poll_immediate(cx).is_pending() {
                            return Poll::Pending;
                        }
                        hook.0 = None;
                        self.operation.set(None);
                        // Whoever waited was woken by the answer, so this drops nobody's waker.
                        drop(waits.remove(wait));
                        let result = outcome.result;
                        match u32::try_from(result) {
                            // SAFETY: the kernel has just made this descriptor for us.
                            Ok(number) => return Poll::Ready(Ok(unsafe { Descriptor::from_answer(number) })),
                            Err(_) if matches!(-result, libc::EINTR | libc::ECANCELED) => continue,
                            Err(_) => return Poll::Ready(Err(Refusal::System(-result).on_stream("accept"))),
                        }
                    }
                    hook.0 = Some(wait);
                    waits.set_waker(wait, cx.waker());
                    let stopped =
                        core.follow_scope_to_start(wait) || waits.state(wait) == WaitState::Cancelled;
                    if !stopped {
                        return Poll::Pending;
                    }
                    // If it is not wanted any more, because a shield came up meanwhile, the wait begins again.
                    hook.0 = None;
                    drop(waits.unhook(wait));
                }
            })
        })
        .await
    }

    fn begin(&self, core: &Core) -> WaitKey {
        let wait = core.waits().insert(WaitKind::Kept, WaitReason::Accept);
        core.waits().set_idle(wait);
        self.operation.set(Some(wait));
        core.waits().set_descriptor(wait, Some(self.descriptor.raw()));
        // SAFETY: the descriptor is counted, by this listener and by the orphan it leaves behind.
        unsafe { core.submit(wait, Op::Accept { fd: self.descriptor.raw() }) };
        wait
    }

    /// Stops accepting and closes the socket.
    pub(super) async fn close(self) -> Result<()> {
        if self.pause().await {
            if let Some(outcome) = self.take_outcome() {
                leave_connection(outcome.result, self.heir.as_ref());
            }
        }
        let descriptor = self.descriptor.clone();
        drop(self);
        Ok(descriptor.close_and_cancel().await?)
    }

    /// Gives the bare descriptor away, in blocking mode, unless a connection has come that nobody has taken.
    pub(super) async fn into_owned(self) -> Result<OwnedFd, Self> {
        if self.pause().await {
            return Err(self);
        }
        let descriptor = self.descriptor.clone();
        let heir = self.heir.clone();
        drop(self);
        let given = descriptor.into_owned().map_err(|descriptor| Self::with_heir(descriptor, heir))?;
        // It fails only for what is no open descriptor.
        let _ = calls::set_blocking(&given, true);
        Ok(given)
    }

    /// Stops the operation in flight and waits for its end. Tells whether it has brought a connection, which stays for the
    /// next `accept`.
    async fn pause(&self) -> bool {
        poll_fn(|cx| {
            Core::with(|core| {
                let Some(wait) = self.operation.get() else { return Poll::Ready(false) };
                if let Some(outcome) = core.waits().outcome(wait) {
                    if outcome.result >= 0 {
                        return Poll::Ready(true);
                    }
                    self.operation.set(None);
                    drop(core.waits().remove(wait));
                    return Poll::Ready(false);
                }
                core.waits().set_waker(wait, cx.waker());
                if core.waits().ask_cancel(wait) {
                    core.cancel_operation(wait.token());
                }
                Poll::Pending
            })
        })
        .await
    }

    /// Takes what the operation has brought.
    fn take_outcome(&self) -> Option<Outcome> {
        let wait = self.operation.take()?;
        Core::with(|core| core.waits().take_outcome(wait))
    }
}

impl Accepting {
    /// Whether there is an operation, in flight or answered.
    pub(super) fn is_under_way(&self) -> bool {
        self.operation.get().is_some()
    }

    /// Ends the operation in flight, for which nobody waits any more. What it has brought goes to the heir. Tells whether
    /// there was one.
    pub(super) fn give_up(&self) -> bool {
        let Some(wait) = self.operation.take() else { return false };
        abandon(wait, LeftAccept { _descriptor: self.descriptor.clone(), heir: self.heir.clone() });
        true
    }
}

impl Drop for Accepting {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// The waiter of one `accept`, taken off the operation when that future goes.
struct Hook(Option<WaitKey>);

impl Drop for Hook {
    fn drop(&mut self) {
        if let Some(wait) = self.0 {
            Core::try_with(|core| {
                if core.waits().is_current(wait) {
                    drop(core.waits().unhook(wait));
                }
            });
        }
    }
}

/// What an accept in flight needs when its listener goes.
struct LeftAccept {
    _descriptor: Descriptor,
    heir: Option<Heir>,
}

impl Disposer for LeftAccept {
    fn dispose_one_of_many(&mut self, _core: &Core, completion: &Completion) {
        leave_connection(completion.result, self.heir.as_ref());
    }

    fn dispose(self: Box<Self>, _core: &Core, completion: &Completion) {
        leave_connection(completion.result, self.heir.as_ref());
    }
}

fn leave_connection(result: i32, heir: Option<&Heir>) {
    let Ok(number) = u32::try_from(result) else { return };
    // SAFETY: the kernel has made this descriptor for us, and nobody else has seen it.
    let connection = unsafe { Descriptor::from_answer(number) };
    if planted("accepted descriptor leaked") {
        return std::mem::forget(connection);
    }
    if let (Some(heir), Ok(connection)) = (heir, connection.into_owned()) {
        heir(connection);
    }
}
