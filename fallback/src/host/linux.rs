//! Linux.

use crate::system::{last_error, uninterrupted};
use anyio_driver::{FileStatus, OpKind};
use libc::{c_char, c_int, c_uint, iovec, mode_t};
pub(crate) use libc::{pread64 as pread, preadv64 as preadv, pwrite64 as pwrite, pwritev64 as pwritev};
use std::{
    io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    ptr,
};

pub(crate) const READINESS: &str = "epoll";
pub(crate) const NO_SIGNAL: c_int = libc::MSG_NOSIGNAL;
pub(crate) const CLOSE_ON_EXEC: c_int = libc::MSG_CMSG_CLOEXEC;

pub(crate) fn supports(kind: OpKind) -> bool {
    kind != OpKind::ReceiveMultishot
}

pub(crate) fn with_urgent_data(interest: mio::Interest) -> mio::Interest {
    interest | mio::Interest::PRIORITY
}

/// Sends carry a flag against `SIGPIPE` here.
pub(crate) fn silence(_: RawFd) {}

/// Room for one of several messages.
pub(crate) type MessageSlot = libc::mmsghdr;

/// Receives messages until there are no more or all slots are full.
///
/// # Safety
/// What the slots name may be filled.
pub(crate) unsafe fn receive_messages(fd: RawFd, slots: &mut [MessageSlot], flags: c_int) -> c_int {
    // The type of flags differs between C libraries.
    // SAFETY: the caller's promise; there are so many slots.
    unsafe { libc::recvmmsg(fd, slots.as_mut_ptr(), slots.len() as c_uint, flags as _, ptr::null_mut()) }
}

pub(crate) fn accept(fd: RawFd) -> c_int {
    // SAFETY: the peer's address is not asked for.
    unsafe { libc::accept4(fd, ptr::null_mut(), ptr::null_mut(), libc::SOCK_CLOEXEC) }
}

/// Reads at the cursor, or from what has none, without waiting. `EOPNOTSUPP` where that cannot be asked for.
pub(crate) unsafe fn read_now(fd: RawFd, pieces: *const iovec, count: c_int) -> i32 {
    // SAFETY: the caller's promise.
    uninterrupted(|| unsafe { libc::preadv2(fd, pieces, count, -1, libc::RWF_NOWAIT) })
}

/// Writes at the cursor, or to what has none, without waiting. `EOPNOTSUPP` where that cannot be asked for.
pub(crate) unsafe fn write_now(fd: RawFd, pieces: *const iovec, count: c_int) -> i32 {
    // SAFETY: the caller's promise.
    uninterrupted(|| unsafe { libc::pwritev2(fd, pieces, count, -1, libc::RWF_NOWAIT) })
}

pub(crate) unsafe fn open(directory: RawFd, path: *const c_char, flags: c_int, mode: mode_t) -> i32 {
    // SAFETY: the caller's promise.
    uninterrupted(|| unsafe { libc::openat(directory, path, flags | libc::O_LARGEFILE, mode as c_uint) })
}

pub(crate) fn synchronize(fd: RawFd, data_only: bool) -> i32 {
    // SAFETY: takes a number only.
    uninterrupted(|| unsafe { if data_only { libc::fdatasync(fd) } else { libc::fsync(fd) } })
}

pub(crate) unsafe fn status(
    directory: RawFd,
    path: *const c_char,
    flags: c_int,
    status: *mut FileStatus,
) -> i32 {
    let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
    // SAFETY: the caller's promise.
    uninterrupted(|| unsafe { libc::statx(directory, path, flags, mask, status) })
}

pub(crate) fn truncate(fd: RawFd, length: i64) -> c_int {
    // SAFETY: takes numbers only.
    unsafe { libc::ftruncate64(fd, length) }
}

pub(crate) fn allocate(fd: RawFd, mode: c_int, offset: i64, length: i64) -> i32 {
    // SAFETY: takes numbers only.
    uninterrupted(|| unsafe { libc::fallocate64(fd, mode, offset, length) })
}

pub(crate) fn advise(fd: RawFd, offset: i64, length: i64, advice: c_int) -> i32 {
    // SAFETY: takes numbers only. The error is the result, not `errno`.
    -unsafe { libc::posix_fadvise64(fd, offset, length, advice) }
}

pub(crate) unsafe fn rename(
    from_directory: RawFd,
    from: *const c_char,
    to_directory: RawFd,
    to: *const c_char,
    flags: c_uint,
) -> i32 {
    // The system call itself, since some C libraries have no function for it.
    // SAFETY: the caller's promise.
    uninterrupted(|| unsafe {
        libc::syscall(libc::SYS_renameat2, from_directory, from, to_directory, to, flags)
    })
}

/// A descriptor that becomes readable when the process ends.
pub(crate) fn watch_process(pid: libc::pid_t, options: c_int) -> io::Result<OwnedFd> {
    if options & (libc::WSTOPPED | libc::WCONTINUED) != 0 {
        // Only ends can be watched.
        return Err(io::ErrorKind::Unsupported.into());
    }
    // SAFETY: takes numbers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(last_error()));
    }
    // SAFETY: the call has made this descriptor for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Whether this error of the host's list of descriptors says that it does not take such descriptors.
pub(crate) fn cannot_watch(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EPERM)
}
