//! Pipes.
//!
//! # Contract
//! The descriptors that the system gives are new and nobody else's.

use std::{
    io,
    os::fd::{FromRawFd, OwnedFd},
};

/// A pipe whose ends no child inherits: the one to read from and the one to write to.
pub(super) fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [-1; 2];
    if open(&mut ends) != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just made them.
    let ends = unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) };
    #[cfg(target_vendor = "apple")]
    for end in [&ends.0, &ends.1] {
        use std::os::fd::AsRawFd;
        // SAFETY: the descriptor is open.
        if unsafe { libc::ioctl(end.as_raw_fd(), libc::FIOCLEX) } != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(ends)
}

#[cfg(not(target_vendor = "apple"))]
fn open(ends: &mut [i32; 2]) -> i32 {
    // SAFETY: there is room for two descriptors.
    unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) }
}

/// There is no `pipe2` here.
#[cfg(target_vendor = "apple")]
fn open(ends: &mut [i32; 2]) -> i32 {
    // SAFETY: there is room for two descriptors.
    unsafe { libc::pipe(ends.as_mut_ptr()) }
}
