//! Whether a socket listens.

use crate::runtime::calls;
use std::os::fd::AsFd;

/// Whether connections can be accepted from a socket; yes, if this host does not answer the question.
pub(super) fn may_listen(socket: &impl AsFd) -> bool {
    // SAFETY: any bytes are an int.
    let listens =
        unsafe { calls::get_option::<libc::c_int>(socket.as_fd(), libc::SOL_SOCKET, libc::SO_ACCEPTCONN) };
    listens.map_or(true, |listens| listens != 0)
}
