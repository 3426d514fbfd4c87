//! FreeBSD and its relatives.

use crate::system::uninterrupted;
use anyio_driver::OpKind;
use libc::{c_int, off_t};
use std::{os::fd::RawFd, ptr};

pub(crate) const NO_SIGNAL: c_int = libc::MSG_NOSIGNAL;
pub(crate) const CLOSE_ON_EXEC: c_int = libc::MSG_CMSG_CLOEXEC;

pub(crate) fn supports(kind: OpKind) -> bool {
    !matches!(kind, OpKind::ReceiveMultishot | OpKind::Splice)
}

/// Sends carry a flag against `SIGPIPE` here.
pub(crate) fn silence(_: RawFd) {}

pub(crate) fn accept(fd: RawFd) -> c_int {
    // SAFETY: the peer's address is not asked for.
    unsafe { libc::accept4(fd, ptr::null_mut(), ptr::null_mut(), libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) }
}

pub(crate) fn synchronize(fd: RawFd, data_only: bool) -> i32 {
    // SAFETY: takes a number only.
    uninterrupted(|| unsafe { if data_only { libc::fdatasync(fd) } else { libc::fsync(fd) } })
}

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
