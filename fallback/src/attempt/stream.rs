//! Receiving and sending bytes.

use super::{Answer, Attempt, Buffers};
use crate::{
    descriptors::{Class, Descriptor},
    host,
    system::uninterrupted,
};
use anyio_driver::IoBufMut;
use std::os::fd::RawFd;

impl Descriptor {
    /// Notes what a successful receive of `count` bytes into room for `length` tells about the socket: whether
    /// it is drained.
    #[inline]
    fn received(&mut self, count: i32, length: usize) {
        if self.class == Class::Tcp && count > 0 && (count as usize) < length && !self.ended && !self.urgent {
            self.readable = false;
        }
    }
}

/// Receives; with `MSG_WAITALL` on a stream until the room is full or the stream ends.
///
/// # Safety
/// There is room for `length` bytes behind `pointer`.
pub(super) unsafe fn receive(
    descriptor: &mut Descriptor,
    fd: RawFd,
    pointer: *mut u8,
    length: u32,
    flags: libc::c_int,
    progress: &mut u32,
) -> Attempt {
    let all = flags & libc::MSG_WAITALL != 0
        && flags & libc::MSG_PEEK == 0
        && matches!(descriptor.class, Class::Tcp | Class::Stream);
    loop {
        let done = *progress;
        let room = (length - done) as usize;
        // SAFETY: `progress` is never more than `length`, so the rest of the room lies behind the pointer.
        let result = uninterrupted(|| unsafe {
            libc::recv(fd, pointer.add(done as usize).cast(), room, flags | libc::MSG_DONTWAIT)
        });
        if result < 0 {
            return match Attempt::of(result) {
                Attempt::Blocked if flags & libc::MSG_DONTWAIT == 0 => Attempt::Blocked,
                _ if done > 0 => Attempt::from(done as i32),
                _ => Attempt::from(result),
            };
        }
        if flags == 0 {
            descriptor.received(result, room);
        }
        *progress = done + result as u32;
        if !all || result == 0 || *progress == length {
            return Attempt::from(*progress as i32);
        }
    }
}

/// Receives into a buffer of the pool, which is taken for the attempt only.
#[inline]
pub(super) fn receive_pooled(descriptor: &mut Descriptor, fd: RawFd, buffers: &mut Buffers) -> Attempt {
    let mut chunk = buffers.pool.take();
    let room = chunk.spare_capacity();
    let pointer = chunk.pointer_mut();
    // SAFETY: the chunk is empty and owns its buffer, so all of it is room.
    let result = uninterrupted(|| unsafe { libc::recv(fd, pointer.cast(), room, libc::MSG_DONTWAIT) });
    match Attempt::of(result) {
        Attempt::Done(answer) if result > 0 => {
            descriptor.received(result, room);
            // SAFETY: the kernel has filled that many bytes of the room.
            unsafe { chunk.set_filled(result as usize) };
            Attempt::Done(Answer { buffer: Some(buffers.parked.park(chunk)), ..answer })
        }
        attempt => attempt,
    }
}

/// Sends; with `MSG_WAITALL` on a stream until all is sent.
///
/// # Safety
/// There are `length` bytes behind `pointer`.
pub(super) unsafe fn send(
    descriptor: &Descriptor,
    fd: RawFd,
    pointer: *const u8,
    length: u32,
    flags: libc::c_int,
    progress: &mut u32,
) -> Attempt {
    let all = flags & libc::MSG_WAITALL != 0 && matches!(descriptor.class, Class::Tcp | Class::Stream);
    let call_flags = flags & !libc::MSG_WAITALL | libc::MSG_DONTWAIT | host::NO_SIGNAL;
    loop {
        let done = *progress;
        // SAFETY: `progress` is never more than `length`, so the rest of the bytes lies behind the pointer.
        let result = uninterrupted(|| unsafe {
            libc::send(fd, pointer.add(done as usize).cast(), (length - done) as usize, call_flags)
        });
        if result < 0 {
            return match Attempt::of(result) {
                Attempt::Blocked if flags & libc::MSG_DONTWAIT == 0 => Attempt::Blocked,
                _ if done > 0 => Attempt::from(done as i32),
                _ => Attempt::from(result),
            };
        }
        *progress = done + result as u32;
        if !all || result == 0 || *progress == length {
            return Attempt::from(*progress as i32);
        }
    }
}
