//! Making connections.

use super::{Attempt, poll::ready};
use crate::{
    descriptors::Descriptor,
    host,
    system::{last_error, uninterrupted},
};
use libc::{sockaddr, socklen_t};
use std::os::fd::RawFd;

pub(super) fn accept(descriptor: &mut Descriptor, fd: RawFd) -> Attempt {
    if let Err(error) = descriptor.set_nonblocking(fd) {
        return error.into();
    }
    Attempt::of(uninterrupted(|| host::accept(fd)))
}

/// Begins to connect, or looks how that goes: `progress` is not 0 once it has begun.
///
/// # Safety
/// There are `length` bytes of an address behind `address`.
pub(super) unsafe fn connect(
    descriptor: &mut Descriptor,
    fd: RawFd,
    address: *const sockaddr,
    length: socklen_t,
    progress: &mut u32,
) -> Attempt {
    if *progress > 0 {
        return outcome(fd);
    }
    if let Err(error) = descriptor.set_nonblocking(fd) {
        return error.into();
    }
    // SAFETY: the caller's promise.
    if unsafe { libc::connect(fd, address, length) } == 0 {
        return 0.into();
    }
    match last_error() {
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
