//! Reserving room in files and telling how they will be used, where that is not known.

use libc::{c_int, off_t};
use std::os::fd::RawFd;

/// Whether files are planned for on this host.
pub(crate) const PLANS_FILES: bool = false;

pub(crate) fn allocate(_fd: RawFd, _mode: c_int, _offset: off_t, _length: off_t) -> i32 {
    -libc::EOPNOTSUPP
}

pub(crate) fn advise(_fd: RawFd, _offset: off_t, _length: off_t, _advice: c_int) -> i32 {
    -libc::EOPNOTSUPP
}
