//! The driver on io_uring.

use super::{AnyDriver, choice::Options};
use std::io;

pub(crate) use anyio_uring::UringDriver;

/// Sets a ring up.
///
/// # Errors
/// If the host does not offer one; the text says why.
pub(crate) fn open(options: &Options) -> io::Result<AnyDriver> {
    let uring = anyio_uring::Options {
        entries: options.ring_entries,
        buffers: options.receive_buffers,
        buffer_size: options.receive_buffer_size,
        spin: options.spin,
        ..Default::default()
    };
    let driver = UringDriver::new(&uring).map_err(|error| io::Error::new(error.kind(), error))?;
    Ok(AnyDriver::Uring(Box::new(driver)))
}
