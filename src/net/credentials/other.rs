//! Asking systems that have `getpeereid`.
//!
//! # Contract
//! The system writes two numbers, to local variables of their types.

use super::PeerCredentials;
use crate::runtime::calls::Options;
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// # Errors
/// What the system says.
pub(in crate::net) fn of_peer(socket: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    let (mut user, mut group) = (0, 0);
    Options::of(&socket).get(|socket| {
        // SAFETY: both pointers lead to variables of the right types.
        match unsafe { libc::getpeereid(socket.as_raw_fd(), &raw mut user, &raw mut group) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    })?;
    Ok(PeerCredentials { user, group, process: None })
}
