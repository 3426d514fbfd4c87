//! Hosts without io_uring.

pub(crate) use super::absent::Absent as UringDriver;
use super::{BackendReport, Options};
use std::io;

/// Says that there is no io_uring here.
pub(crate) fn open(_options: &Options) -> io::Result<UringDriver> {
    Err(refusal())
}

/// Says that there is nothing to look at.
pub(crate) fn examine(_options: &Options) -> BackendReport {
    BackendReport { refusal: Some(refusal()), features: Vec::new() }
}

fn refusal() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "io_uring is not available: it exists only on Linux")
}
