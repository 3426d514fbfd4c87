//! Receiving and sending messages with addresses and ancillary data.

use super::Attempt;
use crate::{host, system::uninterrupted};
use libc::{c_int, msghdr};
use std::os::fd::RawFd;

/// # Safety
/// `message` may be filled, and so may all it points to.
pub(super) unsafe fn receive(fd: RawFd, message: *mut msghdr, flags: c_int) -> Attempt {
    // SAFETY: the caller's promise.
    let result = uninterrupted(|| unsafe {
        libc::recvmsg(fd, message, flags | libc::MSG_DONTWAIT | host::CLOSE_ON_EXEC)
    });
    asked_to_wait(result, flags)
}

/// # Safety
/// `message` and all it points to may be read.
pub(super) unsafe fn send(fd: RawFd, message: *const msghdr, flags: c_int) -> Attempt {
    // SAFETY: the caller's promise.
    let result =
        uninterrupted(|| unsafe { libc::sendmsg(fd, message, flags | libc::MSG_DONTWAIT | host::NO_SIGNAL) });
    asked_to_wait(result, flags)
}

/// With `MSG_DONTWAIT` of the caller's own, `EAGAIN` is the answer.
fn asked_to_wait(result: i32, flags: c_int) -> Attempt {
    if flags & libc::MSG_DONTWAIT == 0 { Attempt::of(result) } else { Attempt::from(result) }
}
