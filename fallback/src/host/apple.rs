//! macOS and its relatives.

use crate::system::{last_error, uninterrupted};
use anyio_driver::OpKind;
use libc::c_int;
use std::{os::fd::RawFd, ptr};

/// Sockets are silenced one by one here, see [`silence`].
pub(crate) const NO_SIGNAL: c_int = 0;
/// Not known here.
pub(crate) const CLOSE_ON_EXEC: c_int = 0;

pub(crate) fn supports(kind: OpKind) -> bool {
    match kind {
        OpKind::ReceiveMultishot => false,
        OpKind::Allocate | OpKind::Advise => super::PLANS_FILES,
        _ => true,
    }
}

/// Keeps sends to a closed peer from raising `SIGPIPE`.
pub(crate) fn silence(fd: RawFd) {
    let on: c_int = 1;
    let length = size_of_val(&on) as libc::socklen_t;
    // A socket on which this fails has lost its connection and raises nothing either.
    // SAFETY: the option's value is an int, and the length says so.
    unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_NOSIGPIPE, (&raw const on).cast(), length) };
}

/// Accepts, and sets afterwards what other hosts set on the way: a process started in between on another thread
/// may inherit the connection.
pub(crate) fn accept(fd: RawFd) -> c_int {
    // SAFETY: the peer's address is not asked for.
    let accepted = unsafe { libc::accept(fd, ptr::null_mut(), ptr::null_mut()) };
    if accepted >= 0 {
        silence(accepted);
        // SAFETY: only sets flags of the descriptor, which is ours.
        unsafe {
            libc::fcntl(accepted, libc::F_SETFD, libc::FD_CLOEXEC);
            // What the listener is in for the moment is passed on.
            libc::fcntl(accepted, libc::F_SETFL, libc::fcntl(accepted, libc::F_GETFL) & !libc::O_NONBLOCK);
        }
    }
    accepted
}

/// Only `F_FULLFSYNC` waits for the device here. File systems without it have `fsync`.
pub(crate) fn synchronize(fd: RawFd, _data_only: bool) -> i32 {
    // SAFETY: takes numbers only.
    uninterrupted(|| unsafe {
        let result = libc::fcntl(fd, libc::F_FULLFSYNC);
        if result < 0 && matches!(last_error(), libc::ENOTSUP | libc::EINVAL | libc::ENOTTY) {
            libc::fsync(fd)
        } else {
            result
        }
    })
}
