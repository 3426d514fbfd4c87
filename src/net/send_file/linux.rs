//! By `sendfile(2)`.

use crate::net::send_mode::Mode;
use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
};

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

fn last_error() -> i32 {
    io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)
}

/// Sends some bytes that are here, if there is room at once. `more` holds them back for what follows.
pub(super) fn send_now(socket: BorrowedFd<'_>, bytes: &[u8], more: bool) -> Result<usize, Moved> {
    let more = if more { libc::MSG_MORE } else { 0 };
    loop {
        let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | more;
        // SAFETY: the bytes are lent for the call, which does not wait.
        let sent = unsafe { libc::send(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
        match usize::try_from(sent) {
            Ok(sent) => return Ok(sent),
            Err(_) => match last_error() {
                libc::EINTR => {}
                libc::EAGAIN => return Err(Moved::NoRoom),
                number => return Err(Moved::Failed(number)),
            },
        }
    }
}

/// What the kernel reads at a time, or more.
const READ_AHEAD: u64 = 128 * 1024;

/// Whether the kernel has these bytes of a file in memory, as far as can be told by looking at the end, and, of what is too
/// long to be read at a time, at the beginning: so that sending them does not wait for a disk.
pub(super) fn is_in_memory(file: BorrowedFd<'_>, position: u64, length: u64) -> bool {
    is_byte_in_memory(file, position + length - 1)
        && (length <= READ_AHEAD || is_byte_in_memory(file, position))
}

fn is_byte_in_memory(file: BorrowedFd<'_>, position: u64) -> bool {
    let Ok(position) = libc::off64_t::try_from(position) else { return false };
    let mut byte = 0u8;
    let slice = libc::iovec { iov_base: (&raw mut byte).cast(), iov_len: 1 };
    // SAFETY: one byte is lent for the call.
    let read = unsafe { libc::preadv2(file.as_raw_fd(), &slice, 1, position, libc::RWF_NOWAIT) };
    // The end of the file is known without a disk.
    read >= 0 || last_error() == libc::EOPNOTSUPP && is_memory_itself(file)
}

/// Whether the file lies on no disk at all.
#[cold]
fn is_memory_itself(file: BorrowedFd<'_>) -> bool {
    // SAFETY: all zeroes is a valid value, which the call fills.
    unsafe {
        let mut about: libc::statfs = std::mem::zeroed();
        libc::fstatfs(file.as_raw_fd(), &mut about) == 0 && about.f_type as i64 == libc::TMPFS_MAGIC
    }
}

/// Sends bytes of a file as far as there is room. Tells how many, and why not all.
pub(super) fn send_pages(
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
        // SAFETY: the position is lent for the call.
        let count = unsafe { libc::sendfile(socket.as_raw_fd(), file.as_raw_fd(), &mut next, left) };
        match count {
            0 => break Moved::Ended,
            1.. => {}
            _ => match last_error() {
                libc::EINTR => {}
                libc::EAGAIN => break Moved::NoRoom,
                libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP => break Moved::Unable,
                number => break Moved::Failed(number),
            },
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
        // SAFETY: the call changes nothing but the mode.
        let is_set = mode.bits() & libc::O_NONBLOCK != 0
            || unsafe { libc::fcntl(socket.as_raw_fd(), libc::F_SETFL, mode.bits() | libc::O_NONBLOCK) } == 0;
        is_set.then_some(Self { socket, mode })
    }
}

impl Drop for WithoutWaiting<'_> {
    fn drop(&mut self) {
        if self.mode.bits() & libc::O_NONBLOCK == 0 {
            // SAFETY: as above.
            unsafe { libc::fcntl(self.socket.as_raw_fd(), libc::F_SETFL, self.mode.bits()) };
        }
    }
}
