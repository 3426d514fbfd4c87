//! Which operation failed on what.

use super::Quoted;
use std::{error::Error as StdError, fmt, io};

/// The inner error of an [`io::Error`] that came out of one of anyio's operations: which operation failed, on
/// what, and what the operating system said.
#[derive(Debug)]
pub struct Failure {
    operation: &'static str,
    subject: Option<String>,
    source: io::Error,
}

impl Failure {
    pub(crate) fn new(operation: &'static str, subject: Option<String>, source: io::Error) -> Self {
        Self { operation, subject, source }
    }

    /// The same as an [`io::Error`] of the same kind. A cancellation stays the bare one.
    pub(crate) fn into_io(self) -> io::Error {
        if self.source.raw_os_error() == Some(libc::ECANCELED) {
            return self.source;
        }
        io::Error::new(self.source.kind(), self)
    }

    /// The operation's name, such as `connect` or `open`.
    pub fn operation(&self) -> &'static str {
        self.operation
    }

    /// What it was done on, such as a path or an address, if that has a name.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// What the operating system said.
    pub fn cause(&self) -> &io::Error {
        &self.source
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Some(subject) => write!(f, "{} {}: {}", self.operation, Quoted(subject), self.source),
            None => write!(f, "{}: {}", self.operation, self.source),
        }
    }
}

impl StdError for Failure {
    /// That of the [`cause`](Self::cause), which the text tells of.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.source()
    }
}

/// The operating system's error number, also of an error that says on what it happened.
pub(crate) fn raw_os_error(error: &io::Error) -> Option<i32> {
    error.raw_os_error().or_else(|| {
        let failure = error.get_ref()?.downcast_ref::<Failure>()?;
        failure.source.raw_os_error()
    })
}
