//! Reserving room in files and telling how they will be used, where that is known: FreeBSD.

use libc::{c_int, off_t};
use std::os::fd::RawFd;

/// Whether files are planned for on this host.
pub(crate) const PLANS_FILES: bool = true;

/// Modes are unknown here: with any, it is not done.
pub(crate) fn allocate(fd: RawFd, mode: c_int, offset: off_t, length: off_t) -> i32 {
    if mode != 0 {
        return -libc::EOPNOTSUPP;
    }
    // SAFETY: takes numbers only. The error is the result, not `errno`.
    -unsafe { libc::posix_fallocate(fd, offset, length) }
}

pub(crate) fn advise(fd: RawFd, offset: off_t, length: off_t, advice: c_int) -> i32 {
    // SAFETY: takes numbers only. The error is the result, not `errno`.
    -unsafe { libc::posix_fadvise(fd, offset, length, advice) }
}
