//! What a body has under way with other cores, and is given up with it.
//!
//! A call that is dropped gives up what it has asked for, and a listener the connections that it has. One that is forgotten does not,
//! and a core does not end before what it was asked for has. So each body, which is a program on a core or what a core was asked for,
//! keeps a list, and none of this outlives it. What there is elsewhere is on the list of its run.

use crate::{lowlevel::RunVar, runtime::FirstPanic};
use pin_project_lite::pin_project;
use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    future::Future,
    pin::Pin,
    rc::{Rc, Weak},
    sync::LazyLock,
    task::{Context, Poll},
};

/// Something that may be given up.
pub(super) trait Abandon {
    /// Says that nobody waits any more.
    fn abandon(&self);
}

/// What one body has under way.
#[derive(Default)]
struct Calls {
    last: Cell<u64>,
    under_way: RefCell<HashMap<u64, Rc<dyn Abandon>>>,
}

impl Calls {
    fn first(&self) -> Option<u64> {
        self.under_way.borrow().keys().next().copied()
    }

    fn abandon_all(&self) {
        // What was asked for and not begun is dropped, which is code of users.
        let panics = FirstPanic::new();
        // One at a time: that code may itself end another of them.
        while let Some(number) = self.first() {
            let call = self.under_way.borrow_mut().remove(&number);
            panics.catch(|| call.iter().for_each(|call| call.abandon()));
        }
        panics.resume();
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        self.abandon_all();
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Rc<Calls>>> = const { RefCell::new(None) };
}

static OF_RUN: LazyLock<RunVar<Calls>> = LazyLock::new(|| RunVar::new().with_default(Calls::default));

/// Something on the list of the body in which this is made. It is given up when this is dropped, or with the body.
pub(super) struct Listed {
    // One that is forgotten does not keep the list.
    calls: Weak<Calls>,
    number: u64,
}

impl Listed {
    pub(super) fn new(call: Rc<dyn Abandon>) -> Self {
        let calls = CURRENT.with_borrow(Clone::clone);
        let calls = calls.or_else(|| OF_RUN.get()).expect("each run has a list");
        let number = calls.last.get() + 1;
        calls.last.set(number);
        calls.under_way.borrow_mut().insert(number, call);
        Self { calls: Rc::downgrade(&calls), number }
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        let Some(calls) = self.calls.upgrade() else { return };
        let call = calls.under_way.borrow_mut().remove(&self.number);
        if let Some(call) = call {
            call.abandon();
        }
    }
}

pin_project! {
    /// A body with its list.
    pub(super) struct Extent<F> {
        #[pin]
        body: F,
        calls: Rc<Calls>,
    }

    impl<F> PinnedDrop for Extent<F> {
        fn drop(this: Pin<&mut Self>) {
            this.calls.abandon_all();
        }
    }
}

impl<F> Extent<F> {
    pub(super) fn new(body: F) -> Self {
        Self { body, calls: Rc::default() }
    }
}

/// Makes a list the current one, and the one before it when this is dropped.
struct Exchanged(Option<Rc<Calls>>);

impl Exchanged {
    fn with(calls: &Rc<Calls>) -> Self {
        Self(CURRENT.replace(Some(calls.clone())))
    }
}

impl Drop for Exchanged {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

impl<F: Future> Future for Extent<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _current = Exchanged::with(this.calls);
        let polled = this.body.poll(cx);
        if polled.is_ready() {
            this.calls.abandon_all();
        }
        polled
    }
}
