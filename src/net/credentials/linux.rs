//! Asking Linux.
//!
//! # Contract
//! The kernel writes one `ucred`, to a local variable of that type.

use super::PeerCredentials;
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// # Errors
/// What the system says.
pub(in crate::net) fn of_peer(socket: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    let mut found = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let mut length = size_of_val(&found) as libc::socklen_t;
    // SAFETY: the option's value is a `ucred`, and the length says so.
    let answer = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut found).cast(),
            &raw mut length,
        )
    };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    // A process that cannot be seen from here has the number 0.
    let process = u32::try_from(found.pid).ok().filter(|&number| number > 0);
    Ok(PeerCredentials { user: found.uid, group: found.gid, process })
}
