//! A future with a scope of its own around it.

use crate::{
    error::{CancelAware, CancelReason},
    runtime::{Core, Deadline, Scope},
};
use pin_project_lite::pin_project;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

pin_project! {
    /// A body and the scope around it, in one piece of memory.
    ///
    /// The body comes first because it has to be dropped first: what is in it points to the scope. The scope is made where
    /// it lies, at the first poll: futures are moved before that, and copying what was just written piece by piece stalls.
    pub(crate) struct InScope<F> {
        #[pin]
        body: F,
        #[pin]
        scope: Option<Scope>,
        deadline: Deadline,
        // Why the scope is cancelled when the deadline passes.
        reason: Option<CancelReason>,
        shielded: bool,
    }
}

impl<F: Future> InScope<F> {
    #[inline]
    pub(crate) fn new(deadline: Deadline, reason: CancelReason, body: F) -> Self {
        Self { body, scope: None, deadline, reason: Some(reason), shielded: false }
    }

    #[inline]
    pub(crate) fn shielded(body: F) -> Self {
        Self { body, scope: None, deadline: Deadline::NEVER, reason: None, shielded: true }
    }

    /// Polls the body within the scope. When it is over the scope is still entered, for [`conclude`] to look at.
    #[inline]
    pub(crate) fn poll_body<'a>(
        self: Pin<&'a mut Self>,
        core: &Core,
        cx: &mut Context<'_>,
    ) -> Poll<(F::Output, Pin<&'a mut Scope>)> {
        let mut this = self.project();
        if this.scope.is_none() {
            let scope = Scope::new_node(*this.deadline, *this.shielded);
            if let Some(reason) = this.reason.take() {
                scope.foresee(reason);
            }
            this.scope.set(Some(scope));
        }
        let scope = this.scope.as_pin_mut().expect("it was just made");
        poll_within(core, &scope, this.body, cx).map(|output| (output, scope))
    }
}

/// Polls a body within a scope that lies still, entering the scope at first and linking it when the body waits.
#[inline]
pub(crate) fn poll_within<F: Future>(
    core: &Core,
    scope: &Pin<&mut Scope>,
    body: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    // SAFETY: the scope is pinned, so it does not move until it is dropped.
    unsafe { poll_within_unmoved(core, scope, body, cx) }
}

/// The same for a scope that lies still for other reasons.
///
/// # Safety
/// The scope does not move until it is dropped.
#[inline]
pub(crate) unsafe fn poll_within_unmoved<F: Future>(
    core: &Core,
    scope: &Scope,
    body: Pin<&mut F>,
    cx: &mut Context<'_>,
) -> Poll<F::Output> {
    // SAFETY: the caller's promise; the current scope is alive during this poll. Before that ends this one is linked, or
    // left by `conclude`, or forgets its parent.
    unsafe { scope.follow(core) };
    let panicking = Panicking(scope);
    let polled = {
        let _current = core.enter_scope(scope);
        body.poll(cx)
    };
    std::mem::forget(panicking);
    if polled.is_pending() {
        scope.link(core);
    }
    polled
}

/// Dropped only when the body panics: it may be caught further out, and the scope live on.
struct Panicking<'a>(&'a Scope);

impl Drop for Panicking<'_> {
    fn drop(&mut self) {
        self.0.forget_parent();
    }
}

/// Decides what a scope makes of its body's result: `Ok(None)` if it absorbed its own cancellation.
#[inline]
pub(crate) fn conclude<T, E, Via>(core: &Core, scope: &Scope, result: Result<T, E>) -> Result<Option<T>, E>
where
    E: CancelAware<Via>,
{
    let would_absorb = scope.would_absorb();
    scope.leave(core);
    // Errors are asked last, since their sources are code of users.
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if would_absorb && error.is_cancelled() => {
            scope.absorb();
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
