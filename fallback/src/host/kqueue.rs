//! What macOS and the BSDs have in common.

use crate::system::{last_error, uninterrupted};
use anyio_driver::FileStatus;
use libc::{c_char, c_int, c_uint, mode_t, off_t};
pub(crate) use libc::{pread, preadv, pwrite, pwritev};
use std::{
    io, mem,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
    ptr,
};

pub(crate) const READINESS: &str = "kqueue";

/// Urgent data is reported as readable here.
pub(crate) fn with_urgent_data(interest: mio::Interest) -> mio::Interest {
    interest
}

pub(crate) unsafe fn open(directory: RawFd, path: *const c_char, flags: c_int, mode: mode_t) -> i32 {
    // SAFETY: the caller's promise.
    uninterrupted(|| unsafe { libc::openat(directory, path, flags, c_uint::from(mode)) })
}

/// Room for one of several messages.
pub(crate) struct MessageSlot {
    pub(crate) msg_hdr: libc::msghdr,
    pub(crate) msg_len: u32,
}

/// Receives messages until there are no more or all slots are full.
///
/// # Safety
/// What the slots name may be filled.
pub(crate) unsafe fn receive_messages(fd: RawFd, slots: &mut [MessageSlot], flags: c_int) -> c_int {
    for (count, slot) in slots.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        match unsafe { libc::recvmsg(fd, &mut slot.msg_hdr, flags) } {
            length if length >= 0 => slot.msg_len = length as u32,
            _ if count > 0 => return count as c_int,
            error => return error as c_int,
        }
    }
    slots.len() as c_int
}

/// An empty path means the descriptor itself, as it does with `AT_EMPTY_PATH` elsewhere.
pub(crate) unsafe fn status(
    directory: RawFd,
    path: *const c_char,
    flags: c_int,
    status: *mut FileStatus,
) -> i32 {
    // SAFETY: the caller's promise; a path has at least its ending zero.
    uninterrupted(|| unsafe {
        if *path == 0 && directory != libc::AT_FDCWD {
            libc::fstat(directory, status)
        } else {
            libc::fstatat(directory, path, status, flags)
        }
    })
}

pub(crate) fn truncate(fd: RawFd, length: off_t) -> c_int {
    // SAFETY: takes numbers only.
    unsafe { libc::ftruncate(fd, length) }
}

/// Flags are unknown here: with any, it is not done.
pub(crate) unsafe fn rename(
    from_directory: RawFd,
    from: *const c_char,
    to_directory: RawFd,
    to: *const c_char,
    flags: c_uint,
) -> i32 {
    if flags != 0 {
        return -libc::EOPNOTSUPP;
    }
    // SAFETY: the caller's promise.
    uninterrupted(|| unsafe { libc::renameat(from_directory, from, to_directory, to) })
}

/// A descriptor, of a queue of events with just this one, that becomes readable when the process ends.
pub(crate) fn watch_process(pid: libc::pid_t, options: c_int) -> io::Result<OwnedFd> {
    if options & (libc::WSTOPPED | libc::WCONTINUED) != 0 {
        // Only ends can be watched.
        return Err(io::ErrorKind::Unsupported.into());
    }
    // SAFETY: makes a descriptor.
    let fd = unsafe { libc::kqueue() };
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(last_error()));
    }
    // SAFETY: the call has made this descriptor for us.
    let queue = unsafe { OwnedFd::from_raw_fd(fd) };
    // SAFETY: only sets a flag of the descriptor.
    unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
    // SAFETY: all zeroes is a valid event; what matters is set below.
    let mut change: libc::kevent = unsafe { mem::zeroed() };
    change.ident = pid as _;
    change.filter = libc::EVFILT_PROC;
    change.flags = libc::EV_ADD | libc::EV_ONESHOT;
    change.fflags = libc::NOTE_EXIT as _;
    // SAFETY: there is one change and no room for events, as the counts say.
    let result = unsafe { libc::kevent(queue.as_raw_fd(), &change, 1, ptr::null_mut(), 0, ptr::null()) };
    if result < 0 { Err(io::Error::from_raw_os_error(last_error())) } else { Ok(queue) }
}

/// Whether this error of the host's list of descriptors says that it does not take such descriptors.
pub(crate) fn cannot_watch(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENODEV | libc::EPERM | libc::EOPNOTSUPP))
}

/// There is no such call here.
pub(crate) unsafe fn read_now(_: RawFd, _: *const libc::iovec, _: libc::c_int) -> i32 {
    -libc::EOPNOTSUPP
}

/// There is no such call here.
pub(crate) unsafe fn write_now(_: RawFd, _: *const libc::iovec, _: libc::c_int) -> i32 {
    -libc::EOPNOTSUPP
}
