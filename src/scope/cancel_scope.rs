//! A scope that can be named.

use super::in_scope::{conclude, poll_within_unmoved};
use crate::{
    error::CancelAware,
    runtime::{Core, Deadline, Scope},
};
use std::{
    cell::RefCell,
    fmt,
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
#[derive(Clone)]
pub struct CancelScope(Rc<Node>);

/// The scope, and what it is called.
struct Node {
    scope: Scope,
    name: RefCell<Option<Rc<str>>>,
}

impl CancelScope {
    /// A scope without deadline or shield.
    pub fn new() -> Self {
        Self(Rc::new(Node { scope: Scope::new_node(Deadline::NEVER, false), name: RefCell::new(None) }))
    }

    fn scope(&self) -> &Scope {
        &self.0.scope
    }

    /// Names the scope, for [instruments](crate::lowlevel::Instrument) and spans (feature `tracing`). Holds from the next body on.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        let name: Rc<str> = name.into().into();
        self.0.name.replace(Some(name));
        self
    }

    /// Sets the moment when the scope cancels itself.
    #[must_use]
    #[track_caller]
    pub fn with_deadline(self, at: Instant) -> Self {
        self.set_deadline(Some(at));
        self
    }

    /// Lets the scope cancel itself a span of time after its body first waits.
    #[must_use]
    #[track_caller]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        self.scope().set_timeout(timeout);
        self
    }

    /// Sets the text of the [reason](Scope::reason) when the deadline passes, whether that was set before or will be.
    #[must_use]
    #[track_caller]
    pub fn with_timeout_message(self, text: impl Into<String>) -> Self {
        self.scope().foresee_here(Some(text.into()));
        self
    }

    /// Keeps cancellations from further out off.
    #[must_use]
    pub fn shielded(self) -> Self {
        self.set_shield(true);
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
        assert!(!self.is_entered(), "a scope runs one body at a time");
        let leave = Leave(self.0.clone());
        let scope = &leave.0.scope;
        let name = self.0.name.borrow().clone();
        // Before the body and after it, so it ends last.
        let named = name.and_then(|name| Core::with(|core| core.begin_named_scope(scope, &name)));
        let mut body = pin!(body());
        poll_fn(|cx| {
            Core::with(|core| {
                // SAFETY: the scope lies behind an `Rc` that `leave` holds until after the body is dropped.
                let mut poll = || unsafe { poll_within_unmoved(core, scope, body.as_mut(), cx) };
                let polled = match &named {
                    Some(named) => named.poll(core, poll),
                    None => poll(),
                };
                polled.map(|result| conclude(core, scope, result))
            })
        })
        .await
    }
}

impl fmt::Debug for CancelScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CancelScope").field(self.scope()).finish()
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
        &self.0.scope
    }
}

/// Takes the scope out of the tree when its body goes, also when that is dropped half-way.
struct Leave(Rc<Node>);

impl Drop for Leave {
    fn drop(&mut self) {
        if self.0.scope.is_entered() {
            self.0.scope.leave_anywhere();
        }
    }
}
