//! What the kernel remembers of files.

use super::{checked, make};
use anyio_driver::{Call, CallKind, FileStatus};
use std::{
    ffi::CStr,
    io,
    mem::{self, MaybeUninit},
    os::fd::{FromRawFd, OwnedFd, RawFd},
};

/// The status of an open file as the kernel remembers it, without asking anyone.
///
/// # Errors
/// What the system says.
#[inline]
pub(crate) fn cached_status(fd: RawFd) -> io::Result<FileStatus> {
    make(Call::on(CallKind::StatusCached, fd), || {
        let mut status = MaybeUninit::<FileStatus>::zeroed();
        let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_DONT_SYNC;
        let mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
        // SAFETY: the path is a C string, and the status has room for what is written to it.
        checked(unsafe { libc::statx(fd, c"".as_ptr(), flags, mask, status.as_mut_ptr()) })?;
        // SAFETY: the call has filled it.
        Ok(unsafe { status.assume_init() })
    })
}

/// A descriptor that stands for the place of a path, if the kernel knows it without having to look anywhere.
///
/// # Errors
/// `EAGAIN` if it does not, or what the system says.
pub(crate) fn look_up(path: &CStr) -> io::Result<OwnedFd> {
    make(Call::new(CallKind::LookUp), || {
        // SAFETY: all zeroes are a valid value.
        let mut how: libc::open_how = unsafe { mem::zeroed() };
        how.flags = (libc::O_PATH | libc::O_CLOEXEC) as u64;
        how.resolve = libc::RESOLVE_CACHED;
        let (path, length) = (path.as_ptr(), size_of_val(&how));
        // SAFETY: the path is a C string, and what is asked for lies here.
        let number =
            unsafe { libc::syscall(libc::SYS_openat2, libc::AT_FDCWD, path, &raw const how, length) };
        let number = checked(number as libc::c_int)?;
        // SAFETY: the descriptor was just opened, and nobody else knows of it.
        Ok(unsafe { OwnedFd::from_raw_fd(number) })
    })
}
