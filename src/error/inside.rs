//! What lies inside an error, also where it does not show that as its source.
//!
//! What an error's text has said already is not its [`source`](StdError::source), so that a chain of errors shows each text
//! once. So who looks for an error of some kind looks inside by [`inside`]. A group of errors of a type that is not known
//! here is asked through its `source`, which answers differently while somebody looks, as do errors of other modules.

use super::{Error, Failure};
use std::{cell::Cell, error::Error as StdError, io};

/// Which of a group's errors is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The cancellation, or finishing, that it passes on, if it does.
    Stage,
    /// The first.
    Any,
    /// One that concerns more than a connection, if there is one.
    Graver,
}

thread_local! {
    static WANTED: Cell<Option<Wanted>> = const { Cell::new(None) };
}

/// Which of its errors a group is being asked for, if it is not asked for its source.
pub(super) fn wanted() -> Option<Wanted> {
    WANTED.get()
}

/// Whether an error that is asked for its source is to show what is inside, although its text tells of that.
pub(crate) fn is_looked_into() -> bool {
    wanted().is_some()
}

/// The error right inside this one, of a group the one that is wanted.
pub(super) fn inside<'a>(
    error: &'a (dyn StdError + 'static),
    wanted: Wanted,
) -> Option<&'a (dyn StdError + 'static)> {
    if let Some(error) = error.downcast_ref::<Error>() {
        return match error {
            Error::Cancelled(cancelled) => Some(cancelled),
            Error::BrokenResource(error) | Error::Io(error) => Some(error),
            Error::ProcessFailed(failed) => Some(&**failed),
            Error::BrokenWorkerProcess(broken) => Some(&**broken),
            Error::Group(group) => Some(&**group),
            _ => None,
        };
    }
    if let Some(failure) = error.downcast_ref::<Failure>() {
        return Some(failure.cause());
    }
    if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return Some(inner);
    }
    let _asking = Asking(WANTED.replace(Some(wanted)));
    error.source()
}

/// Puts back what was wanted before, also when the `source` of somebody's error panics.
struct Asking(Option<Wanted>);

impl Drop for Asking {
    fn drop(&mut self) {
        WANTED.set(self.0);
    }
}
