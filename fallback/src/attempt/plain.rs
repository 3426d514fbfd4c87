//! Reading and writing whatever is neither file nor only socket.

use super::{Attempt, message, poll::ready, stream};
use crate::{
    descriptors::{Class, Descriptor},
    system::uninterrupted,
};
use libc::{c_int, iovec, msghdr};
use std::os::fd::RawFd;

/// Sees to it that a call does not block, or tells why there must be none.
fn prepare(descriptor: &mut Descriptor, fd: RawFd, events: libc::c_short) -> Result<(), Attempt> {
    match descriptor.class {
        Class::File => Err(Attempt::Blocking),
        Class::Device if events & libc::POLLOUT != 0 => Err(Attempt::Blocking),
        Class::Device => match ready(fd, events) {
            0 => Err(Attempt::Blocked),
            error if error < 0 => Err(error.into()),
            _ => Ok(()),
        },
        _ => descriptor.set_nonblocking(fd).map_err(Attempt::from),
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
    if let Err(attempt) = prepare(descriptor, fd, libc::POLLIN) {
        return attempt;
    }
    // SAFETY: the caller's promise.
    Attempt::of(uninterrupted(|| unsafe { libc::read(fd, pointer.cast(), length as usize) }))
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
    if let Err(attempt) = prepare(descriptor, fd, libc::POLLOUT) {
        return attempt;
    }
    // SAFETY: the caller's promise.
    Attempt::of(uninterrupted(|| unsafe { libc::write(fd, pointer.cast(), length as usize) }))
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
    if let Err(attempt) = prepare(descriptor, fd, libc::POLLIN) {
        return attempt;
    }
    // SAFETY: the caller's promise.
    Attempt::of(uninterrupted(|| unsafe { libc::readv(fd, pieces, count as c_int) }))
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
    if let Err(attempt) = prepare(descriptor, fd, libc::POLLOUT) {
        return attempt;
    }
    // SAFETY: the caller's promise.
    Attempt::of(uninterrupted(|| unsafe { libc::writev(fd, pieces, count as c_int) }))
}

fn message_of(pieces: *const iovec, count: u32) -> msghdr {
    // SAFETY: all zeroes is a message without address, pieces and ancillary data.
    let mut message: msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = pieces.cast_mut();
    message.msg_iovlen = count as _;
    message
}
