//! Where the kernel is not asked to send files by itself: their bytes are copied.

use crate::net::send_mode::Mode;
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

/// What came of asking the kernel to send.
#[derive(Debug, PartialEq, Eq)]
#[expect(dead_code, reason = "other systems have other answers")]
pub(super) enum Moved {
    /// There was nothing left to send.
    All,
    /// What was asked for.
    Part,
    /// The socket takes no more now.
    NoRoom,
    /// The file has ended before.
    Ended,
    /// What comes next is not in memory.
    Absent,
    /// The kernel does not do it for this file or socket.
    Unable,
    Failed(i32),
}

/// Sends some bytes that are here, if there is room at once.
pub(super) fn send_now(socket: BorrowedFd<'_>, bytes: &[u8], _more: bool) -> Result<usize, Moved> {
    loop {
        // SAFETY: the bytes are lent for the call, which does not wait.
        let sent =
            unsafe { libc::send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), libc::MSG_DONTWAIT) };
        match usize::try_from(sent) {
            Ok(sent) => return Ok(sent),
            Err(_) => match io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO) {
                libc::EINTR => {}
                libc::EAGAIN => return Err(Moved::NoRoom),
                number => return Err(Moved::Failed(number)),
            },
        }
    }
}

/// Never known.
pub(super) fn is_in_memory(_file: BorrowedFd<'_>, _position: u64, _length: u64) -> bool {
    false
}

/// Never asked for.
pub(super) fn send_pages(
    _socket: BorrowedFd<'_>,
    _mode: Mode,
    _file: BorrowedFd<'_>,
    _position: u64,
    _length: u64,
) -> (u64, Moved) {
    (0, Moved::Unable)
}
