//! What descriptors are, and breaking connections as their peers do.
//!
//! # Contract
//! Descriptors that are named here are those of operations that have been submitted and not ended, or were brought by a
//! completion that nobody has taken, or those of calls about to be made; so they are open.

use std::{mem, os::fd::RawFd};

/// Resets a connection that was accepted: its first use fails with `ECONNRESET`. Where there is no such thing as a reset it
/// is shut down.
pub(crate) fn reset(fd: RawFd) {
    // SAFETY: an address of all zeros is a valid one, and that of no family says so.
    let mut nobody: libc::sockaddr = unsafe { mem::zeroed() };
    nobody.sa_family = libc::AF_UNSPEC as libc::sa_family_t;
    // SAFETY: the address lives throughout the call, with that length.
    if unsafe { libc::connect(fd, &nobody, size_of::<libc::sockaddr>() as libc::socklen_t) } < 0 {
        shut_down(fd, libc::SHUT_RDWR);
    }
}

/// Breaks the connection of a socket for good, after an operation on it was made to fail with such an error.
pub(crate) fn lose(fd: RawFd, error: i32) {
    if is_stream_socket(fd) {
        shut_down(fd, if error == libc::EPIPE { libc::SHUT_WR } else { libc::SHUT_RDWR });
    }
}

fn shut_down(fd: RawFd, how: libc::c_int) {
    // That it is not connected is as good.
    // SAFETY: no memory is involved.
    let _ = unsafe { libc::shutdown(fd, how) };
}

/// Whether the descriptor is a socket that carries bytes without bounds.
pub(crate) fn is_stream_socket(fd: RawFd) -> bool {
    let mut kind: libc::c_int = 0;
    let mut length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the option is a number, for which there is room.
    let answer =
        unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_TYPE, (&raw mut kind).cast(), &mut length) };
    answer == 0 && kind == libc::SOCK_STREAM
}

/// Whether the descriptor is an ordinary file.
pub(crate) fn is_regular_file(fd: RawFd) -> bool {
    // SAFETY: a status of all zeros is a valid one.
    let mut status: libc::stat = unsafe { mem::zeroed() };
    // SAFETY: there is room for the status.
    let answer = unsafe { libc::fstat(fd, &mut status) };
    answer == 0 && status.st_mode & libc::S_IFMT == libc::S_IFREG
}
