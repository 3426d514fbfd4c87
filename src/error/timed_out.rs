//! The time allowed was over.

use super::{CancelReason, ReasonKind};
use std::{error::Error as StdError, fmt, panic::Location};

/// Says that the time allowed by [`fail_after`](crate::fail_after()) or [`fail_at`](crate::fail_at()) was over. It is
/// not a cancellation: scopes further out treat it as any other error.
#[derive(Clone, PartialEq, Eq)]
pub struct TimedOut(CancelReason);

impl TimedOut {
    /// Says that a time limit of the program's own was over, which is set where this is called.
    #[track_caller]
    pub fn new() -> Self {
        Self(CancelReason::new(ReasonKind::Deadline, None, Location::caller()))
    }

    /// The same with a text that says what took too long.
    #[track_caller]
    pub fn because(what: impl Into<String>) -> Self {
        Self(CancelReason::new(ReasonKind::Deadline, Some(what.into()), Location::caller()))
    }

    pub(crate) fn of(reason: CancelReason) -> Self {
        Self(reason)
    }

    /// The text that was given with the time limit, if any.
    pub fn message(&self) -> Option<&str> {
        self.0.message()
    }

    /// Where in the source the time limit was set.
    pub fn location(&self) -> &'static Location<'static> {
        self.0.location()
    }
}

impl Default for TimedOut {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimedOut")
            .field("message", &self.message())
            .field("location", &format_args!("{}", self.location()))
            .finish()
    }
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time allowed was over")?;
        match self.message() {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}

impl StdError for TimedOut {}
