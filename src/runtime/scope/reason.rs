//! Why a scope was cancelled.

use std::{fmt, panic::Location};

/// What made a scope be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReasonKind {
    /// Somebody called one of the scope's `cancel` methods.
    Explicit,
    /// The scope's deadline passed.
    Deadline,
    /// Another task of the group failed.
    SiblingFailed,
    /// The user interrupted the program.
    Interrupt,
    /// The program, or this part of it, is being shut down.
    Shutdown,
    /// The scope was told to [finish](crate::Scope::finish), and the time for that is over, or there was nothing but idle waits.
    Finished,
}

/// Why a scope was cancelled: by what kind of event, with which text, and where in the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CancelReason {
    kind: ReasonKind,
    message: Option<String>,
    location: &'static Location<'static>,
}

impl CancelReason {
    pub(crate) fn new(
        kind: ReasonKind,
        message: Option<String>,
        location: &'static Location<'static>,
    ) -> Self {
        Self { kind, message, location }
    }

    /// What kind of event it was.
    pub fn kind(&self) -> ReasonKind {
        self.kind
    }

    /// The text that was given, if any.
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// Where in the source `cancel` or `finish` was called. For a task that failed it is the place where that was started; for the body of a
    /// group and for deadlines it is a place inside anyio.
    pub fn location(&self) -> &'static Location<'static> {
        self.location
    }
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            ReasonKind::Explicit => write!(f, "cancelled at {}", self.location)?,
            ReasonKind::Deadline => f.write_str("deadline exceeded")?,
            ReasonKind::SiblingFailed => write!(f, "another task of the group failed: {}", self.location)?,
            ReasonKind::Interrupt => f.write_str("interrupted")?,
            ReasonKind::Shutdown => f.write_str("shut down")?,
            ReasonKind::Finished => write!(f, "told to finish at {}", self.location)?,
        }
        match &self.message {
            Some(message) => write!(f, ": {message}"),
            None => Ok(()),
        }
    }
}
