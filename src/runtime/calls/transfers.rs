//! Receiving what is there, and sending what there is room for.

use super::transfer;
use crate::runtime::Core;
use anyio_driver::{Call, CallKind, Ruling, send_now, send_several_now};
use bytes::buf::UninitSlice;
use libc::{c_int, msghdr};
use socket2::SockRef;
use std::{
    io::IoSlice,
    os::fd::{AsRawFd, BorrowedFd, RawFd},
};

/// The flags of sends that neither wait nor raise a signal.
#[cfg(not(target_vendor = "apple"))]
pub(crate) const AT_ONCE: Option<c_int> = Some(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
/// Whether a signal is raised is up to each socket here.
#[cfg(target_vendor = "apple")]
pub(crate) const AT_ONCE: Option<c_int> = None;

/// Receives into what room a buffer has, unless that would wait, and gives how much of that is filled. 0 is the end.
#[inline]
pub(crate) fn receive(core: &Core, socket: BorrowedFd<'_>, buffer: &mut UninitSlice) -> Result<usize, i32> {
    let (fd, pointer) = (socket.as_raw_fd(), buffer.as_mut_ptr());
    transfer(core, Call::on(CallKind::ReceiveNow, fd), buffer.len(), |length| {
        // SAFETY: there is room for so many bytes or more.
        unsafe { libc::recv(fd, pointer.cast(), length, libc::MSG_DONTWAIT) }
    })
}

/// Sends some bytes, unless that would wait.
#[inline]
pub(crate) fn send(core: &Core, socket: BorrowedFd<'_>, bytes: &[u8], flags: c_int) -> Result<usize, i32> {
    let fd = socket.as_raw_fd();
    transfer(core, Call::on(CallKind::SendNow, fd), bytes.len(), |length| {
        // SAFETY: there are so many bytes or more.
        unsafe { libc::send(fd, bytes.as_ptr().cast(), length, flags | libc::MSG_DONTWAIT) }
    })
}

/// Sends some bytes of several buffers.
#[inline]
pub(crate) fn send_buffers(
    core: &Core,
    socket: BorrowedFd<'_>,
    buffers: &[IoSlice<'_>],
    flags: c_int,
) -> Result<usize, i32> {
    let send = |buffers: &[IoSlice<'_>]| {
        let socket = SockRef::from(&socket);
        let sent = match buffers {
            // The kernel takes that for less than a list of one.
            [one] => socket.send_with_flags(one, flags),
            _ => socket.send_vectored_with_flags(buffers, flags),
        };
        sent.map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))
    };
    let call = Call::on(CallKind::SendNow, socket.as_raw_fd());
    if !core.capabilities().rules_calls {
        return send(buffers);
    }
    let total = buffers.iter().map(|buffer| buffer.len()).sum();
    match core.ruling(call.of_length(total)) {
        Ruling::Make => send(buffers),
        Ruling::MakeShorter(length) => send(&first_bytes(buffers, length)),
        Ruling::Refuse(error) | Ruling::MakeAndFail(error) => Err(error),
    }
}

/// So many bytes at the beginning of some buffers.
fn first_bytes<'a>(buffers: &'a [IoSlice<'_>], length: usize) -> Vec<IoSlice<'a>> {
    let mut left = length;
    let mut first = Vec::new();
    for buffer in buffers {
        let taken = buffer.len().min(left);
        first.push(IoSlice::new(&buffer[..taken]));
        left -= taken;
        if left == 0 {
            break;
        }
    }
    first
}

/// Sends one message, unless that would wait.
///
/// # Safety
/// The message and all it points to may be read.
#[inline]
pub(crate) unsafe fn send_message(core: &Core, socket: RawFd, message: *const msghdr) -> Result<u32, i32> {
    match core.ruling(Call::on(CallKind::SendMessageNow, socket)) {
        Ruling::Make | Ruling::MakeShorter(_) => {}
        Ruling::Refuse(error) | Ruling::MakeAndFail(error) => return Err(error),
    }
    // SAFETY: the caller's promise.
    let sent = unsafe { send_now(socket, message) };
    u32::try_from(sent).map_err(|_| -sent)
}

/// Sends messages in order, as many as do not wait, up to [`MOST_SENT_NOW`](anyio_driver::MOST_SENT_NOW). Gives how many; an
/// error is the first one's.
///
/// # Safety
/// All that the messages point to may be read.
pub(crate) unsafe fn send_messages(
    core: &Core,
    socket: RawFd,
    messages: impl Iterator<Item = msghdr>,
) -> Result<usize, i32> {
    let most = match core.ruling(Call::on(CallKind::SendMessageNow, socket)) {
        Ruling::Make => usize::MAX,
        Ruling::MakeShorter(_) => 1,
        Ruling::Refuse(error) | Ruling::MakeAndFail(error) => return Err(error),
    };
    // SAFETY: the caller's promise.
    let sent = unsafe { send_several_now(socket, messages.take(most)) };
    usize::try_from(sent).map_err(|_| -sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_of_some_buffers_are_taken_in_their_order() {
        let buffers = [&b"one"[..], b"", b"two", b"three"].map(IoSlice::new);
        for length in 1..=11 {
            let first = first_bytes(&buffers, length);
            let bytes: Vec<u8> = first.iter().flat_map(|buffer| buffer.iter().copied()).collect();
            assert_eq!(bytes, &b"onetwothree"[..length]);
        }
    }
}
