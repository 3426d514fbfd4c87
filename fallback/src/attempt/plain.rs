//! Reading and writing whatever is neither file nor only socket.

use super::{Attempt, message, mode::without_waiting, poll::ready, stream};
use crate::{
    descriptors::{Class, Descriptor},
    host,
    system::uninterrupted,
};
use libc::{c_int, iovec, msghdr};
use std::os::fd::RawFd;

/// How a call is made so that it does not block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// As it is: the descriptor is ready.
    Plain,
    /// Told not to wait.
    Flagged,
    /// In non-blocking mode.
    ByMode,
}

/// Finds the way to make a call that does not block, or tells why there must be none.
fn prepare(descriptor: &Descriptor, fd: RawFd, events: libc::c_short) -> Result<Way, Attempt> {
    match descriptor.class {
        Class::File => Err(Attempt::Blocking),
        Class::Device if events & libc::POLLOUT != 0 => Err(Attempt::Blocking),
        Class::Device => ask(fd, events).map(|()| Way::Plain),
        _ if descriptor.only_by_mode => ask(fd, events).map(|()| Way::ByMode),
        _ => Ok(Way::Flagged),
    }
}

fn ask(fd: RawFd, events: libc::c_short) -> Result<(), Attempt> {
    match ready(fd, events) {
        0 => Err(Attempt::Blocked),
        error if error < 0 => Err(error.into()),
        _ => Ok(()),
    }
}

/// Makes a call in a way that does not block. `plain` is the system call, `flagged` the same with the demand not to wait.
fn call(
    descriptor: &mut Descriptor,
    fd: RawFd,
    events: libc::c_short,
    plain: impl Fn() -> isize,
    flagged: impl Fn() -> i32,
) -> Attempt {
    loop {
        let result = match prepare(descriptor, fd, events) {
            Ok(Way::Plain) => uninterrupted(&plain),
            Ok(Way::Flagged) => flagged(),
            Ok(Way::ByMode) => match without_waiting(fd, || uninterrupted(&plain)) {
                Ok(result) | Err(result) => result,
            },
            Err(attempt) => return attempt,
        };
        if result == -libc::EOPNOTSUPP && !descriptor.only_by_mode {
            descriptor.only_by_mode = true;
            continue;
        }
        return Attempt::of(result);
    }
}

/// # Safety
/// There is room for `length` bytes behind `pointer`.
pub(super) unsafe fn read(
    descriptor: &mut Descriptor,
    fd: RawFd,
    pointer: *mut u8,
    length: u32,
    progress: &mut u32,
) -> Attempt {
    if descriptor.class.is_socket() {
        // SAFETY: the caller's promise.
        return unsafe { stream::receive(descriptor, fd, pointer, length, 0, progress) };
    }
    let piece = iovec { iov_base: pointer.cast(), iov_len: length as usize };
    // SAFETY: the caller's promise; the piece is that memory.
    let plain = || unsafe { libc::read(fd, pointer.cast(), length as usize) };
    // SAFETY: the same.
    call(descriptor, fd, libc::POLLIN, plain, || unsafe { host::read_now(fd, &piece, 1) })
}

/// # Safety
/// There are `length` bytes behind `pointer`.
pub(super) unsafe fn write(
    descriptor: &mut Descriptor,
    fd: RawFd,
    pointer: *const u8,
    length: u32,
    progress: &mut u32,
) -> Attempt {
    if descriptor.class.is_socket() {
        // SAFETY: the caller's promise.
        return unsafe { stream::send(descriptor, fd, pointer, length, 0, progress) };
    }
    let piece = iovec { iov_base: pointer.cast_mut().cast(), iov_len: length as usize };
    // SAFETY: the caller's promise; the piece is that memory.
    let plain = || unsafe { libc::write(fd, pointer.cast(), length as usize) };
    // SAFETY: the same.
    call(descriptor, fd, libc::POLLOUT, plain, || unsafe { host::write_now(fd, &piece, 1) })
}

/// # Safety
/// There are `count` pieces behind `pieces`, all of which may be written to.
pub(super) unsafe fn read_vectored(
    descriptor: &mut Descriptor,
    fd: RawFd,
    pieces: *const iovec,
    count: u32,
) -> Attempt {
    if descriptor.class.is_socket() {
        let mut message = message_of(pieces, count);
        // SAFETY: the message points to the caller's pieces only.
        return unsafe { message::receive(fd, &mut message, 0) };
    }
    // SAFETY: the caller's promise.
    let plain = || unsafe { libc::readv(fd, pieces, count as c_int) };
    // SAFETY: the same.
    call(descriptor, fd, libc::POLLIN, plain, || unsafe { host::read_now(fd, pieces, count as c_int) })
}

/// # Safety
/// There are `count` pieces behind `pieces`, all of which may be read.
pub(super) unsafe fn write_vectored(
    descriptor: &mut Descriptor,
    fd: RawFd,
    pieces: *const iovec,
    count: u32,
) -> Attempt {
    if descriptor.class.is_socket() {
        let message = message_of(pieces, count);
        // SAFETY: the message points to the caller's pieces only.
        return unsafe { message::send(fd, &message, 0) };
    }
    // SAFETY: the caller's promise.
    let plain = || unsafe { libc::writev(fd, pieces, count as c_int) };
    // SAFETY: the same.
    call(descriptor, fd, libc::POLLOUT, plain, || unsafe { host::write_now(fd, pieces, count as c_int) })
}

fn message_of(pieces: *const iovec, count: u32) -> msghdr {
    // SAFETY: all zeroes is a message without address, pieces and ancillary data.
    let mut message: msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = pieces.cast_mut();
    message.msg_iovlen = count as _;
    message
}
