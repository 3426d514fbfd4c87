//! Calls that do not wait on descriptors that others may share.
//!
//! `O_NONBLOCK` belongs to the open file and not to the descriptor: whoever else has it, a child process or a duplicate, sees
//! it. So it is set for the time of a call only, where there is no way to ask for a single call not to wait. Another process
//! that makes a call of its own in that moment, which would have to wait, is told `EAGAIN`.

use crate::system::last_error;
use anyio_driver::planted;
use std::os::fd::RawFd;

/// Makes a call with the descriptor in non-blocking mode, and leaves that mode as it was.
///
/// # Errors
/// An error's number made negative, if there is no such descriptor or the mode cannot be set.
pub(super) fn without_waiting<R>(fd: RawFd, call: impl FnOnce() -> R) -> Result<R, i32> {
    // SAFETY: only flags of the descriptor are read.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    if flags < 0 {
        return Err(-last_error());
    }
    if flags & libc::O_NONBLOCK != 0 {
        return Ok(call());
    }
    set(fd, flags | libc::O_NONBLOCK)?;
    let result = call();
    // It was possible a moment ago.
    if !planted("mode left") {
        let _ = set(fd, flags);
    }
    Ok(result)
}

fn set(fd: RawFd, flags: libc::c_int) -> Result<(), i32> {
    // SAFETY: only flags of the descriptor are set.
    match unsafe { libc::fcntl(fd, libc::F_SETFL, flags) } {
        0.. => Ok(()),
        _ => Err(-last_error()),
    }
}
