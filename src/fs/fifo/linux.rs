//! What Linux can tell of named pipes.
//!
//! # Contract
//! The calls take the numbers of descriptors that are open meanwhile, a path that ends in a zero byte, and structures
//! that lie on the stack.

use crate::runtime::calls;
use std::{
    ffi::CString,
    fs::File,
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd},
        unix::fs::FileTypeExt,
    },
};

/// Whether the kernel knows, without having to look it up anywhere, that there is a pipe under this name. Never blocks.
pub(super) fn is_known_pipe(path: &CString) -> bool {
    let Ok(place) = calls::look_up(path) else { return false };
    File::from(place).metadata().is_ok_and(|metadata| metadata.file_type().is_fifo())
}

/// Finds out whether a pipe has a writer that has not written anything yet, of which `poll` does not tell: `tee` copies
/// what a pipe has into another without taking it out, and tells a pipe without writers from one that is empty.
pub(super) struct WriterProbe {
    _reading: OwnedFd,
    copies: OwnedFd,
}

impl WriterProbe {
    pub(super) fn new() -> io::Result<Self> {
        let (reading, copies) = calls::pipe()?;
        Ok(Self { _reading: reading, copies })
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
