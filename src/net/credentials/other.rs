//! Asking systems that have `getpeereid`.
//!
//! # Contract
//! The system writes two numbers, to local variables of their types.

use super::PeerCredentials;
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// # Errors
/// What the system says.
pub(in crate::net) fn of_peer(socket: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    let (mut user, mut group) = (0, 0);
    // SAFETY: both pointers lead to variables of the right types.
    let answer = unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut user, &raw mut group) };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(PeerCredentials { user, group, process: None })
}
