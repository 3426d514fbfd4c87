//! Opening the driver that was asked for.

use super::{AnyDriver, Backend, uring};
use anyio_fallback::PollDriver;
use std::{io, num::NonZeroUsize, time::Duration};

/// What users can set, for whichever driver it is.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) ring_entries: u32,
    pub(crate) receive_buffers: u16,
    pub(crate) receive_buffer_size: usize,
    pub(crate) spin: Option<Duration>,
    pub(crate) worker_threads: Option<NonZeroUsize>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ring_entries: 1024,
            receive_buffers: 256,
            receive_buffer_size: 16 * 1024,
            spin: None,
            worker_threads: None,
        }
    }
}

/// Opens a driver.
///
/// # Errors
/// If it is not to be had; the text says why.
pub(crate) fn open(backend: Backend, options: &Options) -> io::Result<AnyDriver> {
    match backend {
        Backend::Uring => uring::open(options),
        Backend::Poll => open_poll(options),
        Backend::Auto => uring::open(options).or_else(|error| {
            log::info!("io_uring cannot be used, so anyio polls: {error}");
            open_poll(options)
        }),
    }
}

fn open_poll(options: &Options) -> io::Result<AnyDriver> {
    let poll =
        anyio_fallback::Options { threads: options.worker_threads, buffer_size: options.receive_buffer_size };
    Ok(AnyDriver::Poll(Box::new(PollDriver::new(poll)?)))
}
