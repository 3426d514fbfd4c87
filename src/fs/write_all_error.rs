//! The error of a write that was to be complete.

use crate::error::{Error, is_looked_into};
use std::{error::Error as StdError, fmt};

/// Says why not everything was written, and how much was.
///
/// Converts into [`Error`] (and so works with `?`), which forgets the count.
#[derive(Debug)]
pub struct WriteAllError {
    /// How many bytes, from the buffer's beginning, were written.
    pub written: usize,
    /// Why the rest was not.
    pub error: Error,
}

impl fmt::Display for WriteAllError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (after {} bytes were written)", self.error, self.written)
    }
}

impl StdError for WriteAllError {
    /// That of the [`error`](Self::error), which the text tells of.
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        if is_looked_into() { Some(&self.error) } else { self.error.source() }
    }
}

impl From<WriteAllError> for Error {
    fn from(error: WriteAllError) -> Self {
        error.error
    }
}
