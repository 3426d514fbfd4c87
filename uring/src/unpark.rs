//! Waking a driver that sits in the kernel.
//!
//! # Contract
//! The eventfd is never read: each write wakes the poll that the driver keeps armed, whatever the count. The flag
//! saves writes: whoever sets it writes, and the driver clears it after it has taken the poll's completion and
//! before it returns from its turn, so that what a caller has published before its `unpark` is seen by the turn's
//! caller afterwards.

use crate::fork::ProcessGeneration;
use anyio_driver::Unpark;
use std::{
    io,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    sync::{
        OnceLock,
        atomic::{AtomicBool, Ordering},
    },
};

/// What wakes a driver, shared between it and all who may do so.
pub(crate) struct EventUnpark {
    event: OwnedFd,
    /// What tells those who wait in place of the driver, once somebody does.
    source: OnceLock<OwnedFd>,
    notified: AtomicBool,
    process: ProcessGeneration,
}

impl EventUnpark {
    /// For a driver of this process.
    ///
    /// # Errors
    /// If there are no more descriptors to be had.
    pub(crate) fn new(process: ProcessGeneration) -> io::Result<Self> {
        // SAFETY: no memory is involved, and the new descriptor is nobody else's.
        let event = unsafe { owned(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))? };
        Ok(Self { event, source: OnceLock::new(), notified: AtomicBool::new(false), process })
    }

    /// The descriptor that the driver polls.
    pub(crate) fn event(&self) -> RawFd {
        self.event.as_raw_fd()
    }

    /// From now on this eventfd is written to as well.
    pub(crate) fn tell(&self, source: OwnedFd) {
        // There is one for a driver.
        let _ = self.source.set(source);
    }

    /// Notes that the driver is awake, so that the next `unpark` counts again.
    pub(crate) fn clear(&self) {
        self.notified.swap(false, Ordering::AcqRel);
    }
}

impl Unpark for EventUnpark {
    fn unpark(&self) {
        if self.process.is_past() || self.notified.swap(true, Ordering::AcqRel) {
            return;
        }
        let one = 1_u64.to_ne_bytes();
        for event in [Some(&self.event), self.source.get()].into_iter().flatten() {
            // SAFETY: the eight bytes are valid. The count can't come near its limit with one at a time, and then
            // the write would fail and the poll be ready anyway.
            unsafe { libc::write(event.as_raw_fd(), one.as_ptr().cast(), one.len()) };
        }
    }
}

/// # Safety
/// A descriptor that is not negative is the caller's own.
pub(crate) unsafe fn owned(descriptor: RawFd) -> io::Result<OwnedFd> {
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: promised by the caller.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
