//! By `sendfile(2)`.

use crate::{
    net::send_mode::Mode,
    runtime::{Core, calls},
};
use std::os::fd::{AsRawFd, BorrowedFd};

/// What came of asking the kernel to send.
#[derive(Debug, PartialEq, Eq)]
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

/// Sends some bytes that are here, if there is room at once. `more` holds them back for what follows.
pub(super) fn send_now(
    core: &Core,
    socket: BorrowedFd<'_>,
    bytes: &[u8],
    more: bool,
) -> Result<usize, Moved> {
    let more = if more { libc::MSG_MORE } else { 0 };
    loop {
        match calls::send(core, socket, bytes, libc::MSG_NOSIGNAL | more) {
            Err(libc::EINTR) => {}
            Err(libc::EAGAIN) => return Err(Moved::NoRoom),
            sent => return sent.map_err(Moved::Failed),
        }
    }
}

/// What the kernel reads at a time, or more.
const READ_AHEAD: u64 = 128 * 1024;

/// Whether the kernel has these bytes of a file in memory, as far as can be told by looking at the end, and, of what is too
/// long to be read at a time, at the beginning: so that sending them does not wait for a disk.
pub(super) fn is_in_memory(core: &Core, file: BorrowedFd<'_>, position: u64, length: u64) -> bool {
    is_byte_in_memory(core, file, position + length - 1)
        && (length <= READ_AHEAD || is_byte_in_memory(core, file, position))
}

fn is_byte_in_memory(core: &Core, file: BorrowedFd<'_>, position: u64) -> bool {
    if libc::off64_t::try_from(position).is_err() {
        return false;
    }
    let mut byte = 0u8;
    // SAFETY: one byte is lent for the call.
    match unsafe { calls::read_cached(core, file.as_raw_fd(), &raw mut byte, 1, position) } {
        // The end of the file is known without a disk.
        Ok(_) => true,
        Err(number) => number == libc::EOPNOTSUPP && calls::is_in_memory_itself(file),
    }
}

/// Sends bytes of a file as far as there is room. Tells how many, and why not all.
pub(super) fn send_pages(
    core: &Core,
    socket: BorrowedFd<'_>,
    mode: Mode,
    file: BorrowedFd<'_>,
    position: u64,
    length: u64,
) -> (u64, Moved) {
    let Ok(start) = libc::off_t::try_from(position) else { return (0, Moved::Ended) };
    let Some(_mode) = WithoutWaiting::begin(socket, mode) else { return (0, Moved::Unable) };
    let mut next = start;
    let moved = loop {
        let sent = (next - start) as u64;
        if sent == length {
            break Moved::Part;
        }
        let left = usize::try_from(length - sent).unwrap_or(usize::MAX);
        match calls::send_file(core, socket, file, &mut next, left) {
            Ok(0) => break Moved::Ended,
            Ok(_) | Err(libc::EINTR) => {}
            Err(libc::EAGAIN) => break Moved::NoRoom,
            Err(libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP) => break Moved::Unable,
            Err(number) => break Moved::Failed(number),
        }
    };
    ((next - start) as u64, moved)
}

/// Keeps calls on a socket from waiting. `sendfile` cannot be told so by itself, and the mode is seen by all who have the
/// socket, so it is set for the time of the calls only.
struct WithoutWaiting<'a> {
    socket: BorrowedFd<'a>,
    mode: Mode,
}

impl<'a> WithoutWaiting<'a> {
    fn begin(socket: BorrowedFd<'a>, mode: Mode) -> Option<Self> {
        let is_set = mode.bits() & libc::O_NONBLOCK != 0
            || calls::set_mode(socket, mode.bits() | libc::O_NONBLOCK).is_ok();
        is_set.then_some(Self { socket, mode })
    }
}

impl Drop for WithoutWaiting<'_> {
    fn drop(&mut self) {
        if self.mode.bits() & libc::O_NONBLOCK == 0 {
            if let Err(error) = calls::set_mode(self.socket, self.mode.bits()) {
                log::warn!("a socket stays in the mode in which nothing waits: {error}");
            }
        }
    }
}
