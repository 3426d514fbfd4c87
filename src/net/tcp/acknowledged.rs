//! What the other side has acknowledged.
//!
//! # Contract
//! The kernel writes numbers, and no more of them than there is room for.

use crate::runtime::calls;
use std::{io, os::fd::BorrowedFd};

/// How many bytes the other side of a connection has acknowledged since it began.
///
/// # Errors
/// What the system says.
pub(super) fn by(socket: BorrowedFd<'_>) -> io::Result<u64> {
    // SAFETY: any bytes are such numbers.
    let info = unsafe { calls::get_option::<[u64; 16]>(socket, libc::IPPROTO_TCP, libc::TCP_INFO) }?;
    // This is the beginning of the kernel's `tcp_info`, as far as `tcpi_bytes_acked`.
    Ok(info[15])
}
