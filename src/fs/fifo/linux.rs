//! What Linux can tell of named pipes.
//!
//! # Contract
//! The calls take the numbers of descriptors that are open meanwhile, a path that ends in a zero byte, and structures
//! that lie on the stack.

use std::{
    ffi::CString,
    fs::File,
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::fs::FileTypeExt,
    },
};

/// Whether the kernel knows, without having to look it up anywhere, that there is a pipe under this name. Never blocks.
pub(super) fn is_known_pipe(path: &CString) -> bool {
    // SAFETY: all zeroes are a valid value.
    let mut how: libc::open_how = unsafe { std::mem::zeroed() };
    how.flags = (libc::O_PATH | libc::O_CLOEXEC) as u64;
    how.resolve = libc::RESOLVE_CACHED;
    // SAFETY: see the contract.
    let result = unsafe {
        libc::syscall(libc::SYS_openat2, libc::AT_FDCWD, path.as_ptr(), &raw const how, size_of_val(&how))
    };
    if result < 0 {
        return false;
    }
    // SAFETY: the descriptor was just opened, and nobody else knows of it.
    let place = File::from(unsafe { OwnedFd::from_raw_fd(result as i32) });
    place.metadata().is_ok_and(|metadata| metadata.file_type().is_fifo())
}

/// Finds out whether a pipe has a writer that has not written anything yet, of which `poll` does not tell: `tee` copies
/// what a pipe has into another without taking it out, and tells a pipe without writers from one that is empty.
pub(super) struct WriterProbe {
    _reading: OwnedFd,
    copies: OwnedFd,
}

impl WriterProbe {
    pub(super) fn new() -> io::Result<Self> {
        let mut ends = [0; 2];
        // SAFETY: see the contract; both are descriptors of our own afterwards.
        unsafe {
            if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) < 0 {
                return Err(io::Error::last_os_error());
            }
            Ok(Self { _reading: OwnedFd::from_raw_fd(ends[0]), copies: OwnedFd::from_raw_fd(ends[1]) })
        }
    }

    /// Whether there is a writer, or what one has left behind.
    pub(super) fn finds_writer(&self, reader: BorrowedFd<'_>) -> bool {
        // SAFETY: see the contract.
        match unsafe { libc::tee(reader.as_raw_fd(), self.copies.as_raw_fd(), 1, libc::SPLICE_F_NONBLOCK) } {
            0 => false,
            -1 => io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN),
            _ => true,
        }
    }
}
