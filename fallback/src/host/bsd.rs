//! The BSDs.

use crate::system::uninterrupted;
use anyio_driver::OpKind;
use libc::c_int;
use std::{os::fd::RawFd, ptr};

pub(crate) const NO_SIGNAL: c_int = libc::MSG_NOSIGNAL;
pub(crate) const CLOSE_ON_EXEC: c_int = libc::MSG_CMSG_CLOEXEC;

pub(crate) fn supports(kind: OpKind) -> bool {
    match kind {
        OpKind::ReceiveMultishot => false,
        OpKind::Allocate | OpKind::Advise => super::PLANS_FILES,
        _ => true,
    }
}

/// Sends carry a flag against `SIGPIPE` here.
pub(crate) fn silence(_: RawFd) {}

pub(crate) fn accept(fd: RawFd) -> c_int {
    // SAFETY: the peer's address is not asked for.
    unsafe { libc::accept4(fd, ptr::null_mut(), ptr::null_mut(), libc::SOCK_CLOEXEC) }
}

pub(crate) fn synchronize(fd: RawFd, data_only: bool) -> i32 {
    // SAFETY: takes a number only.
    uninterrupted(|| unsafe { if data_only { libc::fdatasync(fd) } else { libc::fsync(fd) } })
}
