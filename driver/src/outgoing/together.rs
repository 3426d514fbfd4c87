//! The call that takes several messages.

use super::Call;
use crate::send_now::{FLAGS, last_error};
use libc::{c_uint, mmsghdr, msghdr};
use std::os::fd::RawFd;

/// A message, and behind the call how many of its bytes were sent.
pub(super) type Slot = mmsghdr;

pub(super) const CALL: Option<Call> = Some(send_together);

#[inline]
pub(super) fn slot(message: msghdr) -> Slot {
    mmsghdr { msg_hdr: message, msg_len: 0 }
}

#[inline]
pub(super) fn head(slot: &Slot) -> &msghdr {
    &slot.msg_hdr
}

#[inline]
pub(super) fn length(slot: &Slot) -> i32 {
    slot.msg_len as i32
}

/// # Safety
/// All that the messages point to may be read.
unsafe fn send_together(fd: RawFd, messages: &mut [Slot]) -> i32 {
    // The kernel takes no more than 1,024 of them; what is left comes with the next call.
    let count = messages.len() as c_uint;
    // SAFETY: so many messages are borrowed, and the caller's promise.
    let sent = unsafe { libc::sendmmsg(fd, messages.as_mut_ptr(), count, FLAGS as _) };
    if sent < 0 { last_error() } else { sent }
}
