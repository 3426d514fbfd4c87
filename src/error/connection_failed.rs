//! The error of connecting to what has several addresses.

use super::{ErrorGroup, Quoted};
use std::{error::Error as StdError, fmt, io};

/// Says that all attempts to connect failed: to what, and why for each address that was tried.
/// Derefs to the errors, one for each address.
#[derive(Debug)]
pub struct ConnectionFailed {
    target: String,
    errors: ErrorGroup<io::Error>,
}

impl ConnectionFailed {
    pub(crate) fn new(target: String, errors: ErrorGroup<io::Error>) -> Self {
        Self { target, errors }
    }

    /// What was to be connected to, as `HOST:PORT`.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// One error for each address that was tried, which it names.
    pub fn into_errors(self) -> ErrorGroup<io::Error> {
        self.errors
    }
}

impl std::ops::Deref for ConnectionFailed {
    type Target = ErrorGroup<io::Error>;

    fn deref(&self) -> &ErrorGroup<io::Error> {
        &self.errors
    }
}

impl fmt::Display for ConnectionFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connect {}: ", Quoted(&self.target))?;
        for (number, error) in self.errors.iter().enumerate() {
            write!(f, "{}{error}", if number == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl StdError for ConnectionFailed {}
