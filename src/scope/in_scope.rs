//! A future with a scope of its own around it.

use crate::{
    error::{CancelAware, CancelReason, stage_of},
    runtime::{Absorbed, Core, Deadline, Scope},
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
        // Until the scope is made.
        nature: Option<Nature>,
    }
}

/// What the scope is made for.
#[derive(Debug)]
pub(super) enum Nature {
    /// To be cancelled by itself, and for what reason.
    Limited(Deadline, CancelReason),
    /// To keep cancellations off.
    Shielded,
    /// To be cancelled when nothing new is to start.
    Idle,
}

impl Nature {
    #[inline]
    fn make(self) -> Scope {
        match self {
            Self::Limited(deadline, reason) => {
                let scope = Scope::new_node(deadline, false);
                scope.foresee(reason);
                scope
            }
            Self::Shielded => Scope::new_node(Deadline::NEVER, true),
            Self::Idle => Scope::new_idle(),
        }
    }
}

impl<F: Future> InScope<F> {
    #[inline]
    pub(super) fn new(nature: Nature, body: F) -> Self {
        Self { body, scope: None, nature: Some(nature) }
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
            this.scope.set(this.nature.take().map(Nature::make));
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

#[cold]
fn absorbs<E: CancelAware<Via>, Via>(absorbed: Absorbed, error: &E) -> bool {
    stage_of(error.as_error()).is_some_and(|stage| absorbed.contains(stage))
}

/// Decides what a scope makes of its body's result: `Ok(None)` if it absorbed its own cancellation.
#[inline]
pub(crate) fn conclude<T, E, Via>(core: &Core, scope: &Scope, result: Result<T, E>) -> Result<Option<T>, E>
where
    E: CancelAware<Via>,
{
    let absorbed = scope.would_absorb();
    scope.leave(core);
    // Errors are asked last, since their sources are code of users.
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if !absorbed.is_nothing() && absorbs(absorbed, &error) => {
            scope.absorb();
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
