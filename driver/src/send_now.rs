//! Sending a message within one call of the system.
//!
//! # Contract
//! The caller promises that the message and all it points to may be read. The system is done with them when the call returns.

use libc::{c_int, msghdr};
use std::{io, os::fd::RawFd};

/// Sends a message without waiting. Gives how many bytes were sent, or minus the number of the system's error, `EAGAIN` if
/// there is no room.
///
/// One of a single piece without ancillary data goes as what it is, bytes to an address: of those the system has less to read
/// and to check, which is 5 % of a datagram's send.
///
/// # Safety
/// The message and all it points to may be read.
#[inline]
pub unsafe fn send_now(fd: RawFd, message: *const msghdr) -> i32 {
    // SAFETY: the caller's promise.
    let sent = unsafe {
        let parts = &*message;
        if parts.msg_iovlen == 1 && parts.msg_controllen == 0 {
            let piece = &*parts.msg_iov;
            libc::sendto(fd, piece.iov_base, piece.iov_len, FLAGS, parts.msg_name.cast(), parts.msg_namelen)
        } else {
            libc::sendmsg(fd, message, FLAGS)
        }
    };
    // What is sent at once is shorter than 2 GiB.
    i32::try_from(sent).ok().filter(|&sent| sent >= 0).unwrap_or_else(last_error)
}

/// Minus the number of the error that the system has just told.
pub(crate) fn last_error() -> i32 {
    -io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// How what does not wait is sent.
#[cfg(not(target_vendor = "apple"))]
pub(crate) const FLAGS: c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
/// Sockets are told not to raise signals when they are made.
#[cfg(target_vendor = "apple")]
pub(crate) const FLAGS: c_int = libc::MSG_DONTWAIT;
