//! Opening without waiting for others.
//!
//! The opening of a named pipe waits until somebody opens the other end, and a thread that waits there cannot be called
//! back. So pipes are opened without waiting.

use crate::host;
use anyio_driver::Op;
use libc::{c_char, c_int, mode_t};
use std::{mem::MaybeUninit, os::fd::RawFd};

/// Opens a file, a named pipe as with `O_NONBLOCK`. Gives its descriptor, which is in the mode that the flags say, or an
/// error's number made negative.
///
/// # Safety
/// The path ends in a zero byte.
pub(crate) unsafe fn open(directory: RawFd, path: *const c_char, flags: c_int, mode: mode_t) -> i32 {
    // SAFETY: the caller's promise.
    let waits = may_wait(flags) && unsafe { is_pipe(directory, path, flags) };
    if !waits {
        // SAFETY: the caller's promise.
        return unsafe { host::open(directory, path, flags, mode) };
    }
    // SAFETY: the caller's promise.
    let descriptor = unsafe { host::open(directory, path, flags | libc::O_NONBLOCK, mode) };
    if descriptor >= 0 {
        // SAFETY: takes numbers only. Nobody else knows of the descriptor. It fails for no descriptor that is open.
        unsafe {
            let status = libc::fcntl(descriptor, libc::F_GETFL);
            libc::fcntl(descriptor, libc::F_SETFL, status & !libc::O_NONBLOCK);
        }
    }
    descriptor
}

/// Whether the opening of a pipe waits with these flags.
fn may_wait(flags: c_int) -> bool {
    flags & libc::O_NONBLOCK == 0 && flags & libc::O_ACCMODE != libc::O_RDWR
}

/// Whether there is a pipe under this name.
///
/// # Safety
/// The path ends in a zero byte.
unsafe fn is_pipe(directory: RawFd, path: *const c_char, flags: c_int) -> bool {
    let mut status = MaybeUninit::<libc::stat>::uninit();
    let follow = if flags & libc::O_NOFOLLOW == 0 { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    // SAFETY: the caller's promise; the status is read only if it was filled.
    unsafe {
        libc::fstatat(directory, path, status.as_mut_ptr(), follow) == 0
            && status.assume_init().st_mode & libc::S_IFMT == libc::S_IFIFO
    }
}

/// Whether the success of an operation makes a descriptor.
#[inline]
pub(crate) fn brings_descriptor(op: &Op) -> bool {
    matches!(op, Op::Accept { .. } | Op::Open { .. })
}
