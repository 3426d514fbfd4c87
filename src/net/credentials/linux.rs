//! Asking Linux.

use super::PeerCredentials;
use crate::runtime::calls;
use std::{io, os::fd::BorrowedFd};

/// # Errors
/// What the system says.
pub(in crate::net) fn of_peer(socket: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    // SAFETY: any bytes are such numbers.
    let found = unsafe { calls::get_option::<libc::ucred>(socket, libc::SOL_SOCKET, libc::SO_PEERCRED) }?;
    // A process that cannot be seen from here has the number 0.
    let process = u32::try_from(found.pid).ok().filter(|&number| number > 0);
    Ok(PeerCredentials { user: found.uid, group: found.gid, process })
}
