//! A process that has ended.

use super::signal::Signal;
use std::{
    error::Error as StdError, ffi::OsString, fmt, os::unix::process::ExitStatusExt, process::ExitStatus,
};

/// How a process has ended, and what it wrote. Given by [`run`](crate::process::run()).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompletedProcess {
    /// The program and its arguments.
    pub args: Vec<OsString>,
    /// How it has ended.
    pub status: ExitStatus,
    /// What it wrote to its standard output, if that was captured.
    pub stdout: Option<Vec<u8>>,
    /// What it wrote to its standard error, if that was captured.
    pub stderr: Option<Vec<u8>>,
}

impl CompletedProcess {
    /// The exit code, or the negative number of the signal that killed the process.
    pub fn returncode(&self) -> i32 {
        returncode(self.status)
    }

    /// The same, or an error if the process did not end with success.
    ///
    /// # Errors
    /// [`ProcessFailed`], with all that is here.
    pub fn check_returncode(self) -> Result<Self, ProcessFailed> {
        if self.status.success() { Ok(self) } else { Err(ProcessFailed(self)) }
    }
}

/// Says that a process did not end with success. Derefs to what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessFailed(CompletedProcess);

impl ProcessFailed {
    /// The signal that killed the process, if one did.
    pub fn signal(&self) -> Option<Signal> {
        self.0.status.signal().and_then(Signal::from_raw)
    }

    /// What is known of the process.
    pub fn into_inner(self) -> CompletedProcess {
        self.0
    }
}

impl std::ops::Deref for ProcessFailed {
    type Target = CompletedProcess;

    fn deref(&self) -> &CompletedProcess {
        &self.0
    }
}

impl fmt::Display for ProcessFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the process {:?} ", self.args)?;
        match (self.status.code(), self.signal()) {
            (Some(code), _) => write!(f, "ended with exit code {code}"),
            (None, Some(signal)) => write!(f, "was killed by {signal}"),
            (None, None) => write!(f, "failed: {}", self.status),
        }
    }
}

impl StdError for ProcessFailed {}

/// The exit code, or the negative number of the signal.
pub(crate) fn returncode(status: ExitStatus) -> i32 {
    status.code().or(status.signal().map(|signal| -signal)).unwrap_or(status.into_raw())
}
