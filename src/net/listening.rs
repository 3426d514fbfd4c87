//! Whether a socket listens.
//!
//! # Contract
//! The kernel writes one int, to a local variable of that type.

use std::os::fd::{AsFd, AsRawFd};

/// Whether connections can be accepted from a socket; yes, if this host does not answer the question.
pub(super) fn may_listen(socket: &impl AsFd) -> bool {
    let mut listens: libc::c_int = 0;
    let mut length = size_of_val(&listens) as libc::socklen_t;
    let socket = socket.as_fd().as_raw_fd();
    // SAFETY: the option's value is an int, and the length says so.
    let answer = unsafe {
        libc::getsockopt(
            socket,
            libc::SOL_SOCKET,
            libc::SO_ACCEPTCONN,
            (&raw mut listens).cast(),
            &raw mut length,
        )
    };
    answer != 0 || listens != 0
}
