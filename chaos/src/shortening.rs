//! Making an operation ask for less.
//!
//! # Contract
//! The operations are such that a driver may be given, with memory as [`Driver::submit`](anyio_driver::Driver::submit)
//! asks for. What a shortened operation names in addition belongs to the [`Shortened`] that comes with it, which lies
//! still and is kept until the operation has ended.

use crate::reset::is_stream_socket;
use anyio_driver::Op;
use libc::{iovec, msghdr};
use std::{mem, os::fd::RawFd, slice};

/// An operation that asks for less than another, and what it needs for that.
pub(crate) struct Shortened {
    pub(crate) op: Op,
    pub(crate) memory: Memory,
}

/// The parts and the message of which a shortened operation speaks.
#[derive(Default)]
pub(crate) struct Memory {
    _pieces: Box<[iovec]>,
    _message: Option<Box<msghdr>>,
}

/// The same operation for less; `None` where that cannot be, or where somebody counts on the whole. `choose` is given the
/// length, which is more than 1, and gives one that is less and not 0.
///
/// # Safety
/// See the module's contract.
pub(crate) unsafe fn shorten(op: Op, choose: impl Fn(u64) -> u64) -> Option<Shortened> {
    let shorter = |length: u32| -> Option<u32> { (length > 1).then(|| choose(length.into()) as u32) };
    let op = match op {
        Op::Receive { fd, pointer, length, flags } => {
            let splits = flags & libc::MSG_WAITALL == 0 && is_stream_socket(fd);
            Op::Receive { fd, pointer, length: splits.then(|| shorter(length))??, flags }
        }
        Op::Send { fd, pointer, length, flags } => {
            let length = is_stream_socket(fd).then(|| shorter(length))??;
            Op::Send { fd, pointer, length, flags }
        }
        Op::Read { fd, pointer, length, offset } => {
            let length = is_divisible(fd, 0).then(|| shorter(length))??;
            Op::Read { fd, pointer, length, offset }
        }
        Op::Write { fd, pointer, length, offset } => {
            let length = is_divisible(fd, length.into()).then(|| shorter(length))??;
            Op::Write { fd, pointer, length, offset }
        }
        Op::ReadVectored { fd, pieces, count, offset } => {
            // SAFETY: the contract.
            let pieces = unsafe { clip(pieces, count as usize, |_| is_divisible(fd, 0), &choose) }?;
            let op = Op::ReadVectored { fd, pieces: pieces.as_ptr(), count: pieces.len() as u32, offset };
            return Some(Shortened { op, memory: Memory { _pieces: pieces, _message: None } });
        }
        Op::WriteVectored { fd, pieces, count, offset } => {
            // SAFETY: the contract.
            let pieces = unsafe { clip(pieces, count as usize, |total| is_divisible(fd, total), &choose) }?;
            let op = Op::WriteVectored { fd, pieces: pieces.as_ptr(), count: pieces.len() as u32, offset };
            return Some(Shortened { op, memory: Memory { _pieces: pieces, _message: None } });
        }
        Op::SendMessage { fd, message, flags } => {
            // SAFETY: the contract.
            let whole = unsafe { *message };
            // SAFETY: the contract.
            #[allow(clippy::unnecessary_cast, reason = "its type depends on the library of C")]
            let mut pieces =
                unsafe { clip(whole.msg_iov, whole.msg_iovlen as usize, |_| is_stream_socket(fd), &choose) }?;
            let mut part = Box::new(whole);
            part.msg_iov = pieces.as_mut_ptr();
            part.msg_iovlen = pieces.len() as _;
            let op = Op::SendMessage { fd, message: &raw const *part, flags };
            return Some(Shortened { op, memory: Memory { _pieces: pieces, _message: Some(part) } });
        }
        _ => return None,
    };
    Some(Shortened { op, memory: Memory::default() })
}

/// The first bytes of several pieces, if there are at least two and they may be parted.
///
/// # Safety
/// `pieces` leads to `count` of them.
unsafe fn clip(
    pieces: *const iovec,
    count: usize,
    may_be_parted: impl FnOnce(u64) -> bool,
    choose: impl FnOnce(u64) -> u64,
) -> Option<Box<[iovec]>> {
    if count == 0 {
        return None;
    }
    // SAFETY: the caller's promise.
    let pieces = unsafe { slice::from_raw_parts(pieces, count) };
    let total: u64 = pieces.iter().map(|piece| piece.iov_len as u64).sum();
    if total < 2 || !may_be_parted(total) {
        return None;
    }
    let mut left = choose(total) as usize;
    let mut clipped = Vec::new();
    for piece in pieces {
        let length = piece.iov_len.min(left);
        clipped.push(iovec { iov_base: piece.iov_base, iov_len: length });
        left -= length;
        if left == 0 {
            break;
        }
    }
    Some(clipped.into())
}

/// Whether what is open there may be read or, so many bytes at once, written in parts.
fn is_divisible(fd: RawFd, written: u64) -> bool {
    // SAFETY: a status of all zeros is a valid one.
    let mut status: libc::stat = unsafe { mem::zeroed() };
    // SAFETY: there is room for the status.
    if unsafe { libc::fstat(fd, &mut status) } < 0 {
        return false;
    }
    match status.st_mode & libc::S_IFMT {
        libc::S_IFREG => !has_direct_access(fd),
        // So much goes into a pipe as a whole or not at all.
        libc::S_IFIFO => written == 0 || written > libc::PIPE_BUF as u64,
        libc::S_IFSOCK => is_stream_socket(fd),
        _ => false,
    }
}

#[cfg(any(target_os = "linux", target_os = "freebsd"))]
fn has_direct_access(fd: RawFd) -> bool {
    // SAFETY: no memory is involved.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    flags < 0 || flags & libc::O_DIRECT != 0
}

#[cfg(not(any(target_os = "linux", target_os = "freebsd")))]
fn has_direct_access(_fd: RawFd) -> bool {
    false
}
