//! Where the kernel is not asked to send files by itself: their bytes are copied.

use crate::{
    net::send_mode::Mode,
    runtime::{Core, calls},
};
use std::os::fd::BorrowedFd;

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
pub(super) fn send_now(
    core: &Core,
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    _more: bool,
) -> Result<usize, Moved> {
    loop {
        match calls::send(core, socket, bytes, 0) {
            Err(libc::EINTR) => {}
            Err(libc::EAGAIN) => return Err(Moved::NoRoom),
            sent => return sent.map_err(Moved::Failed),
        }
    }
}

/// Never known.
pub(super) fn is_in_memory(_core: &Core, _file: BorrowedFd<'_>, _position: u64, _length: u64) -> bool {
    false
}

/// Never asked for.
pub(super) fn send_pages(
    _core: &Core,
    _socket: BorrowedFd<'_>,
    _mode: Mode,
    _file: BorrowedFd<'_>,
    _position: u64,
    _length: u64,
) -> (u64, Moved) {
    (0, Moved::Unable)
}
