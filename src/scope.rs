//! Cancel scopes: regions of a program that can be cancelled as one.

mod cancel_scope;
mod foreign;
mod idle;
mod in_scope;
mod timeout;
mod using;

pub use crate::runtime::{CancelReason, ReasonKind, RemoteScope, Scope};
pub use cancel_scope::CancelScope;
pub(crate) use foreign::foreign_for;
pub use foreign::{Foreign, foreign};
pub use idle::{finishing, idle};
pub use timeout::{
    fail_after, fail_after_because, fail_at, fail_at_because, move_on_after, move_on_at, shield,
};
pub use using::using;

use crate::runtime::Core;
use std::time::Instant;

/// The earliest deadline that reaches to where this is called: `Ok(None)` if there is none.
///
/// A shield keeps deadlines further out off. The spans of [`move_on_after`] and its like are fixed by asking.
///
/// # Errors
/// [`Cancelled`](crate::Cancelled) if the scope is cancelled already.
///
/// # Panics
/// Outside of a run.
pub fn current_effective_deadline() -> Result<Option<Instant>, crate::Cancelled> {
    Core::with(|core| match core.scope().map(Scope::effective_deadline) {
        Some((true, _)) => Err(crate::Cancelled::new()),
        Some((false, deadline)) => Ok(deadline),
        None => Ok(None),
    })
}

/// Why the current scope is cancelled, by itself or from further out, or `None` if it is not. So cleanup can tell a
/// [deadline](crate::ReasonKind::Deadline) from Ctrl-C ([`Interrupt`](crate::ReasonKind::Interrupt)), which cancels the
/// scope of the whole run.
///
/// ```
/// use anyio::{ReasonKind, current_cancel_reason, move_on_after, sleep_forever};
/// use std::time::Duration;
///
/// # anyio::run(async || -> anyio::Result<()> {
/// move_on_after(Duration::from_millis(1), async {
///     assert!(current_cancel_reason().is_none());
///     let cancelled = sleep_forever().await;
///     assert_eq!(current_cancel_reason().unwrap().kind(), ReasonKind::Deadline);
///     Err::<(), anyio::Error>(cancelled.into())
/// })
/// .await?;
/// # Ok(()) }).unwrap();
/// ```
///
/// # Panics
/// Outside of a run.
pub fn current_cancel_reason() -> Option<CancelReason> {
    Core::with(|core| core.scope().and_then(Scope::effective_reason))
}
