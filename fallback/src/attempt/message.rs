//! Receiving and sending messages with addresses and ancillary data.

use super::{Answer, Attempt};
use crate::{descriptors::Descriptor, host, parked::Parked, system::uninterrupted};
use anyio_driver::{BufferId, BufferPool, Chunk, IoBufMut, MessageHead, MessageLayout};
use libc::{c_int, iovec, msghdr};
use std::{
    cell::OnceCell,
    mem::{self, MaybeUninit},
    os::fd::RawFd,
    ptr,
};

/// How many messages one call receives at most.
const MOST: usize = 32;

/// What messages are received into.
#[derive(Default)]
pub(crate) struct MessageBuffers {
    pool: OnceCell<BufferPool>,
    /// Chunks for the next messages, in order.
    prepared: Vec<Chunk>,
    parked: Parked,
    /// Answers that come before the last of an attempt.
    pub(crate) earlier: Vec<Answer>,
}

impl MessageBuffers {
    /// The pool, which is made when it is first asked for.
    pub(crate) fn pool(&self) -> &BufferPool {
        self.pool.get_or_init(BufferPool::for_messages)
    }

    /// How many are in the hands of operations and chunks. Those that are prepared are in nobody's.
    pub(crate) fn in_use(&self) -> usize {
        let taken = self.pool.get().map_or(0, |pool| pool.statistics().in_use);
        taken - self.prepared.len()
    }

    /// The chunk of this number, once.
    pub(crate) fn take(&mut self, buffer: BufferId) -> Option<Chunk> {
        self.parked.take(BufferId(buffer.0 & !BufferId::MESSAGE))
    }
}

/// Receives as many messages as there are, up to a number that follows what there was before.
///
/// # Safety
/// `message` may be read.
pub(super) unsafe fn receive_many(
    descriptor: &mut Descriptor,
    fd: RawFd,
    message: *const msghdr,
    buffers: &mut MessageBuffers,
) -> Attempt {
    // SAFETY: the caller's promise.
    let layout = MessageLayout::of(unsafe { &*message });
    if !layout.fits() {
        return (-libc::EINVAL).into();
    }
    let asked = usize::from(descriptor.expected).clamp(2, MOST);
    while buffers.prepared.len() < asked {
        let chunk = buffers.pool().take();
        buffers.prepared.push(chunk);
    }
    let mut pieces = [const { MaybeUninit::<iovec>::uninit() }; MOST];
    let mut slots = [const { MaybeUninit::<host::MessageSlot>::uninit() }; MOST];
    for ((chunk, piece), slot) in buffers.prepared.iter_mut().zip(&mut pieces).zip(&mut slots).take(asked) {
        let start = chunk.pointer_mut();
        // SAFETY: the layout fits into the chunk, so that each part begins within it.
        let (name, control, payload) = unsafe {
            (
                start.add(layout.name_offset()),
                start.add(layout.control_offset()),
                start.add(layout.payload_offset()),
            )
        };
        let piece = piece
            .write(iovec { iov_base: payload.cast(), iov_len: chunk.capacity() - layout.payload_offset() });
        // SAFETY: all zeroes is a message without anything.
        let slot = slot.write(unsafe { mem::zeroed() });
        slot.msg_hdr.msg_iov = piece;
        slot.msg_hdr.msg_iovlen = 1;
        if layout.name > 0 {
            slot.msg_hdr.msg_name = name.cast();
            slot.msg_hdr.msg_namelen = layout.name as _;
        }
        slot.msg_hdr.msg_control = if layout.control > 0 { control.cast() } else { ptr::null_mut() };
        slot.msg_hdr.msg_controllen = layout.control as _;
    }
    // SAFETY: so many were written just now; a slot that may be unwritten lies as one that is written.
    let slots = unsafe { std::slice::from_raw_parts_mut(slots[..asked].as_mut_ptr().cast(), asked) };
    // SAFETY: each slot names parts of a chunk of its own, which nobody else uses.
    let result = uninterrupted(|| unsafe {
        host::receive_messages(fd, slots, libc::MSG_DONTWAIT | host::CLOSE_ON_EXEC)
    });
    let Ok(count) = usize::try_from(result) else { return Attempt::of(result) };
    descriptor.expected = if count == asked { (2 * asked).min(MOST) } else { count + 1 } as u8;
    // More than there was is nothing: what comes from now on is told anew.
    descriptor.readable = count == asked;
    let MessageBuffers { prepared, parked, earlier, .. } = buffers;
    for (mut chunk, slot) in prepared.drain(..count).zip(slots) {
        let header = &slot.msg_hdr;
        let head = MessageHead {
            name_length: header.msg_namelen,
            control_length: header.msg_controllen as u32,
            payload_length: slot.msg_len,
            flags: header.msg_flags as u32,
        };
        let length = layout.payload_offset() + slot.msg_len as usize;
        // SAFETY: the head's room is the chunk's beginning. The buffers of this pool are initialised, and the system
        // has filled no more than there was room for.
        unsafe {
            chunk.pointer_mut().copy_from_nonoverlapping(head.to_bytes().as_ptr(), size_of::<MessageHead>());
            chunk.set_filled(length);
        }
        let BufferId(number) = parked.park(chunk);
        earlier.push(Answer { result: length as i32, buffer: Some(BufferId(number | BufferId::MESSAGE)) });
    }
    match earlier.pop() {
        Some(last) => Attempt::Done(last),
        None => Attempt::Blocked,
    }
}

/// # Safety
/// `message` may be filled, and so may all it points to.
pub(super) unsafe fn receive(fd: RawFd, message: *mut msghdr, flags: c_int) -> Attempt {
    // SAFETY: the caller's promise.
    let result = uninterrupted(|| unsafe {
        libc::recvmsg(fd, message, flags | libc::MSG_DONTWAIT | host::CLOSE_ON_EXEC)
    });
    asked_to_wait(result, flags)
}

/// # Safety
/// `message` and all it points to may be read.
pub(super) unsafe fn send(fd: RawFd, message: *const msghdr, flags: c_int) -> Attempt {
    // SAFETY: the caller's promise.
    let result =
        uninterrupted(|| unsafe { libc::sendmsg(fd, message, flags | libc::MSG_DONTWAIT | host::NO_SIGNAL) });
    match asked_to_wait(result, flags) {
        // It is the receiver's queue that is full, and nobody tells the sender when it is not.
        // SAFETY: the caller's promise.
        Attempt::Blocked if unsafe { is_to_a_path(&*message) } => Attempt::NoRoom,
        attempt => attempt,
    }
}

/// Whether a message goes to another UNIX socket by its name.
///
/// # Safety
/// The message's address may be read.
unsafe fn is_to_a_path(message: &msghdr) -> bool {
    let name = message.msg_name.cast::<libc::sockaddr>();
    // SAFETY: the caller's promise; every address begins with its family.
    !name.is_null() && c_int::from(unsafe { (*name).sa_family }) == libc::AF_UNIX
}

/// With `MSG_DONTWAIT` of the caller's own, `EAGAIN` is the answer.
fn asked_to_wait(result: i32, flags: c_int) -> Attempt {
    if flags & libc::MSG_DONTWAIT == 0 { Attempt::of(result) } else { Attempt::from(result) }
}
