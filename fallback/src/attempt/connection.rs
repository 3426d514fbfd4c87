//! Making connections.

use super::{Attempt, mode::without_waiting, poll::ready};
use crate::{
    host,
    system::{last_error, uninterrupted},
};
use libc::{sockaddr, socklen_t};
use std::os::fd::RawFd;

pub(super) fn accept(fd: RawFd) -> Attempt {
    match ready(fd, libc::POLLIN) {
        0 => return Attempt::Blocked,
        error if error < 0 => return error.into(),
        _ => {}
    }
    // Another process may take the connection first.
    match without_waiting(fd, || uninterrupted(|| host::accept(fd))) {
        Ok(result) => Attempt::of(result),
        Err(error) => error.into(),
    }
}

/// Begins to connect, or looks how that goes: `progress` is not 0 once it has begun.
///
/// # Safety
/// There are `length` bytes of an address behind `address`.
pub(super) unsafe fn connect(
    fd: RawFd,
    address: *const sockaddr,
    length: socklen_t,
    progress: &mut u32,
) -> Attempt {
    if *progress > 0 {
        return outcome(fd);
    }
    // SAFETY: the caller's promise.
    let connect = || unsafe { if libc::connect(fd, address, length) == 0 { 0 } else { last_error() } };
    let error = match without_waiting(fd, connect) {
        Ok(error) => error,
        Err(error) => return error.into(),
    };
    match error {
        0 => 0.into(),
        // An interrupted connect goes on by itself.
        libc::EINPROGRESS | libc::EINTR => {
            *progress = 1;
            Attempt::Blocked
        }
        // The queue of a listening UNIX socket is full.
        libc::EAGAIN => Attempt::NoRoom,
        error => (-error).into(),
    }
}

fn outcome(fd: RawFd) -> Attempt {
    match ready(fd, libc::POLLOUT) {
        0 => return Attempt::Blocked,
        error if error < 0 => return error.into(),
        _ => {}
    }
    let mut error: libc::c_int = 0;
    let mut length = size_of_val(&error) as socklen_t;
    // SAFETY: the option's value is an int, and the length says so.
    let result = unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_ERROR, (&raw mut error).cast(), &mut length)
    };
    if result < 0 { (-last_error()).into() } else { (-error).into() }
}
