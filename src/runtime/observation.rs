//! Looking on as tasks go from checkpoint to checkpoint.
//!
//! An [`Observer`] is told of every checkpoint within one scope before it is decided whether that gives a cancellation, of
//! every wait that begins there, and, where it asks for that, of the wait's end before its task goes on. It may cancel
//! scopes meanwhile. Only scopes that are marked lead here (`scope/observing.rs`), so that no others pay for it.
//!
//! This is the seam for everything that is to happen at the n-th checkpoint or wait of a program, such as
//! [`cancel_everywhere`](crate::testing::cancel_everywhere).

use super::{Core, Scope, WaitKey, inbox::Message};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    task::{Wake, Waker},
};

/// Who looks on.
pub(crate) trait Observer {
    /// The task that is being polled has come to a checkpoint in this scope.
    fn checkpoint(&self, core: &Core, scope: &Scope);

    /// The task that is being polled has begun to wait.
    fn waits(&self, core: &Core, wait: WaitKey);

    /// The driver was turned after [`tell_of_turn`] was called.
    fn turned(&self, core: &Core);

    /// The wait that [`tell_of_end`] was called for has ended; its task is about to be woken.
    fn ended(&self, core: &Core, wait: WaitKey);
}

struct Observation {
    observer: Rc<dyn Observer>,
    root: *const Scope,
    outer: Option<Rc<Observation>>,
    /// The wait of whose end the observer wants to be told, and who waits.
    watched: Cell<Option<WaitKey>>,
    waiter: RefCell<Option<Waker>>,
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Observation>>> = const { RefCell::new(None) };
}

fn current() -> Option<Rc<Observation>> {
    CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
}

/// Observes what is within a scope until this is dropped.
pub(crate) struct Observing(());

impl Observing {
    /// Has the observer look on from now on at what is within `root`, which has to be [marked](Scope::observe).
    pub(crate) fn begin(observer: Rc<dyn Observer>, root: *const Scope) -> Self {
        let observation = Observation {
            observer,
            root,
            outer: current(),
            watched: Cell::new(None),
            waiter: RefCell::new(None),
        };
        CURRENT.set(Some(Rc::new(observation)));
        Self(())
    }
}

impl Drop for Observing {
    fn drop(&mut self) {
        let ended = CURRENT.take();
        CURRENT.set(ended.as_ref().and_then(|ended| ended.outer.clone()));
    }
}

/// Tells the observer of a checkpoint in this scope.
#[cold]
#[inline(never)]
pub(super) fn checkpoint(core: &Core, scope: &Scope) {
    if let Some(current) = current().filter(|current| scope.is_reached_from(current.root)) {
        current.observer.checkpoint(core, scope);
    }
}

/// Tells the observer of a wait in this scope.
#[cold]
#[inline(never)]
pub(super) fn waits(core: &Core, scope: &Scope, wait: WaitKey) {
    if let Some(current) = current().filter(|current| scope.is_reached_from(current.root)) {
        current.observer.waits(core, wait);
    }
}

/// Has the observer told when what was submitted so far has been handed to the kernel, and what that answered at once is there.
pub(crate) fn tell_of_turn(core: &Core) {
    let tell = |core: &Core| {
        if let Some(current) = current() {
            current.observer.turned(core);
        }
    };
    core.lease().inbox().push(Message::Run(Box::new(tell)));
}

/// Has the observer told of the end of this wait, before its task is woken for that.
pub(crate) fn tell_of_end(core: &Core, wait: WaitKey) {
    if let Some(current) = current() {
        current.watched.set(Some(wait));
        let before = core.waits().exchange_waker(wait, Arc::new(Ended(wait)).into());
        *current.waiter.borrow_mut() = before.into_waker();
    }
}

/// Keeps the waker of a wait of whose end the observer is to be told first. False if this is none.
pub(super) fn keeps_waker_of(wait: WaitKey, waker: &Waker) -> bool {
    let watched = current().filter(|current| current.watched.get() == Some(wait));
    let Some(current) = watched else { return false };
    let new = waker.clone();
    let before = current.waiter.borrow_mut().replace(new);
    drop(before);
    true
}

/// In the place of the waker of a wait.
struct Ended(WaitKey);

impl Wake for Ended {
    fn wake(self: Arc<Self>) {
        let Some(current) = current().filter(|current| current.watched.get() == Some(self.0)) else { return };
        current.watched.set(None);
        Core::try_with(|core| current.observer.ended(core, self.0));
        let waiter = current.waiter.borrow_mut().take();
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}
