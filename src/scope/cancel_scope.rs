//! A scope that can be named.

use super::in_scope::{conclude, poll_within_unmoved};
use crate::{
    error::CancelAware,
    runtime::{Core, Deadline, Scope},
};
use std::{
    future::poll_fn,
    ops::Deref,
    pin::pin,
    rc::Rc,
    time::{Duration, Instant},
};

/// A scope with a name: its clones can cancel it, move its deadline and switch its shield while the body runs.
///
/// ```
/// use anyio::{CancelScope, Result, sleep};
/// use std::time::Duration;
///
/// # anyio::run(async || -> Result<()> {
/// let scope = CancelScope::new().with_timeout(Duration::from_millis(10));
/// let slept = scope.run(async || -> Result<()> { Ok(sleep(Duration::from_secs(60)).await?) }).await?;
/// assert_eq!(slept, None);
/// assert!(scope.cancelled_caught());
/// # Ok(()) }).unwrap();
/// ```
///
/// Where no name is needed, [`move_on_after`](crate::move_on_after), [`fail_after`](crate::fail_after) and
/// [`shield`](crate::shield) are shorter. What can be done with the scope is described at [`Scope`], to which this
/// derefs.
#[derive(Clone, Debug)]
pub struct CancelScope(Rc<Scope>);

impl CancelScope {
    /// A scope without deadline or shield.
    pub fn new() -> Self {
        Self(Rc::new(Scope::new_node(Deadline::NEVER, false)))
    }

    /// Sets the moment when the scope cancels itself.
    #[must_use]
    #[track_caller]
    pub fn with_deadline(self, at: Instant) -> Self {
        self.0.set_deadline(Some(at));
        self
    }

    /// Lets the scope cancel itself a span of time after its body first waits.
    #[must_use]
    #[track_caller]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        self.0.set_timeout(timeout);
        self
    }

    /// Sets the text of the [reason](Scope::reason) when the deadline passes, whether that was set before or will be.
    #[must_use]
    #[track_caller]
    pub fn with_timeout_message(self, text: impl Into<String>) -> Self {
        self.0.foresee_here(Some(text.into()));
        self
    }

    /// Keeps cancellations from further out off.
    #[must_use]
    pub fn shielded(self) -> Self {
        self.0.set_shield(true);
        self
    }

    /// Runs the body within the scope. `Ok(None)` means that the scope absorbed its own cancellation: it was cancelled,
    /// or its deadline passed, the body ended with that cancellation, and no scope further out is being cancelled too.
    ///
    /// # Errors
    /// The body's, if it is not a cancellation that this scope absorbs.
    ///
    /// # Cancel safety
    /// A value that the body gives is never dropped because of a cancellation: `Ok(Some(value))` comes out also when
    /// the scope was cancelled meanwhile.
    ///
    /// # Panics
    /// If the scope is running a body already.
    pub async fn run<T, E, Via>(&self, body: impl AsyncFnOnce() -> Result<T, E>) -> Result<Option<T>, E>
    where
        E: CancelAware<Via>,
    {
        assert!(!self.0.is_entered(), "a scope runs one body at a time");
        let leave = Leave(self.0.clone());
        let mut body = pin!(body());
        let scope = &*leave.0;
        poll_fn(|cx| {
            Core::with(|core| {
                // SAFETY: the scope lies behind an `Rc` that `leave` holds until after the body is dropped.
                let polled = unsafe { poll_within_unmoved(core, scope, body.as_mut(), cx) };
                polled.map(|result| conclude(core, scope, result))
            })
        })
        .await
    }
}

impl Default for CancelScope {
    fn default() -> Self {
        Self::new()
    }
}

impl Deref for CancelScope {
    type Target = Scope;

    fn deref(&self) -> &Scope {
        &self.0
    }
}

/// Takes the scope out of the tree when its body goes, also when that is dropped half-way.
struct Leave(Rc<Scope>);

impl Drop for Leave {
    fn drop(&mut self) {
        if self.0.is_entered() {
            self.0.leave_anywhere();
        }
    }
}
