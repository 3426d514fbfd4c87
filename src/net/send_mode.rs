//! How a socket is set while the kernel is asked to send a file.

use crate::runtime::calls;
use std::os::fd::BorrowedFd;

/// The mode of a socket whose files the kernel may send by itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mode(i32);

impl Mode {
    /// `None` if it cannot be had, or if this process would be ended by the signal that a lost link brings: this one call
    /// cannot be told not to send it.
    pub(super) fn of(socket: BorrowedFd<'_>) -> Option<Self> {
        // SAFETY: all zeroes is a valid value, which the call fills.
        let on_lost_link = unsafe {
            let mut effect: libc::sigaction = std::mem::zeroed();
            match libc::sigaction(libc::SIGPIPE, std::ptr::null(), &mut effect) {
                0 => effect.sa_sigaction,
                _ => libc::SIG_DFL,
            }
        };
        if on_lost_link == libc::SIG_DFL {
            return None;
        }
        calls::mode(socket).ok().map(Self)
    }

    /// The flags of the open socket.
    #[cfg_attr(
        not(any(target_os = "linux", target_os = "android")),
        allow(dead_code, reason = "files are copied there")
    )]
    pub(super) fn bits(self) -> i32 {
        self.0
    }
}
