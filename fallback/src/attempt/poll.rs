//! Asking for readiness.

use super::Attempt;
use crate::system::uninterrupted;
use std::os::fd::RawFd;

/// Which of these events (and errors) a descriptor is ready for right now: 0 for none, or an error made negative.
pub(super) fn ready(fd: RawFd, events: libc::c_short) -> i32 {
    let mut entry = libc::pollfd { fd, events, revents: 0 };
    // SAFETY: there is one entry, as the count says.
    match uninterrupted(|| unsafe { libc::poll(&mut entry, 1, 0) }) {
        error if error < 0 => error,
        _ if entry.revents & libc::POLLNVAL != 0 => -libc::EBADF,
        // Events are bits of a short whose sign bit none uses.
        _ => i32::from(entry.revents),
    }
}

pub(super) fn poll(fd: RawFd, events: u32) -> Attempt {
    // Only the lower half names events; the upper one has modes of epoll.
    match ready(fd, events as libc::c_short) {
        0 => Attempt::Blocked,
        result => result.into(),
    }
}
