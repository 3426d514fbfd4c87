//! A worker process that broke.

use super::signal::Signal;
use std::{error::Error as StdError, fmt, os::unix::process::ExitStatusExt, process::ExitStatus};

/// Says that a worker process ended, or did something else than to answer. It is gone, and whether the function was called,
/// or how far it came, is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenWorkerProcess {
    pid: u32,
    what: &'static str,
    status: Option<ExitStatus>,
}

impl BrokenWorkerProcess {
    #[cfg(feature = "processes")]
    pub(crate) fn new(pid: u32, what: &'static str, status: Option<ExitStatus>) -> Self {
        Self { pid, what, status }
    }

    /// The number that the process had.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// How it has ended: by itself, or killed from here if it did something wrong. `None` if somebody else took its status.
    pub fn status(&self) -> Option<ExitStatus> {
        self.status
    }

    /// The signal that killed it, if one did.
    pub fn signal(&self) -> Option<Signal> {
        self.status.and_then(|status| status.signal()).and_then(Signal::from_raw)
    }
}

impl fmt::Display for BrokenWorkerProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker process {} {}", self.pid, self.what)?;
        match (self.status, self.signal()) {
            (_, Some(signal)) => write!(f, ": killed by {signal}"),
            (Some(status), None) => write!(f, ": {status}"),
            (None, None) => Ok(()),
        }
    }
}

impl StdError for BrokenWorkerProcess {}
