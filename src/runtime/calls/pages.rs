//! Pages of files that are in memory.

use super::{last_error, make, transfer};
use crate::runtime::Core;
use anyio_driver::{Call, CallKind};
use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
};

/// Reads what is in memory, without waiting for the device.
///
/// # Safety
/// There is room for `room` bytes behind the pointer.
#[inline]
pub(crate) unsafe fn read_cached(
    core: &Core,
    file: RawFd,
    pointer: *mut u8,
    room: usize,
    position: u64,
) -> Result<usize, i32> {
    transfer(core, Call::on(CallKind::ReadCached, file).at(position), room, |length| {
        let piece = libc::iovec { iov_base: pointer.cast(), iov_len: length };
        let (low, high) = (position as libc::c_ulong, (position >> 32) as libc::c_ulong);
        // SAFETY: the piece is a live value; the room behind the pointer is the caller's promise.
        unsafe { libc::syscall(libc::SYS_preadv2, file, &piece, 1, low, high, libc::RWF_NOWAIT) as isize }
    })
}

/// Sends up to so many bytes of a file from this position on, as far as there is room in the socket, which is in the mode
/// that says so.
#[inline]
pub(crate) fn send_file(
    core: &Core,
    socket: BorrowedFd<'_>,
    file: BorrowedFd<'_>,
    position: &mut libc::off_t,
    length: usize,
) -> Result<usize, i32> {
    transfer(core, Call::on(CallKind::SendFile, socket.as_raw_fd()), length, |length| {
        // SAFETY: the position is lent for the call.
        unsafe { libc::sendfile(socket.as_raw_fd(), file.as_raw_fd(), position, length) }
    })
}

/// Whether a file lies on no disk at all.
#[cold]
#[allow(clippy::unnecessary_cast, reason = "the type of the number differs between systems")]
pub(crate) fn is_in_memory_itself(file: BorrowedFd<'_>) -> bool {
    let mut about = MaybeUninit::<libc::statfs>::zeroed();
    let asked = make(Call::on(CallKind::Examine, file.as_raw_fd()), || {
        // SAFETY: there is room for what is written.
        match unsafe { libc::fstatfs(file.as_raw_fd(), about.as_mut_ptr()) } {
            0 => Ok(()),
            _ => Err(io::Error::from_raw_os_error(last_error())),
        }
    });
    // SAFETY: zeroes are valid, and so is what the kernel has written.
    let about = unsafe { about.assume_init() };
    #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
    let is_of_memory = about.f_type as i64 == libc::TMPFS_MAGIC as i64;
    asked.is_ok() && is_of_memory
}
