//! Receiving what is there, at once.
//!
//! # Contract
//! The one call of the system here writes into memory that it is given as a slice, and no further.

use super::socket::Socket;
use crate::{
    error::{Error, Result},
    receiving::MOST,
    runtime::{Answer, Core, Refusal},
};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

impl Socket {
    /// Receives what is there, without waiting. 0 is the end, or a buffer without room.
    pub(super) fn receive_nowait(&self, buffer: &mut [u8]) -> Result<usize> {
        let _reserved = self.receiving().reserve()?;
        Core::with(|core| core.check_cancelled())?;
        if buffer.is_empty() {
            return Ok(0);
        }
        if let Some(taken) = self.receiving().take_nowait(buffer) {
            return taken;
        }
        // What is in flight is to bring the next bytes.
        if self.receiving().holds_bytes() {
            return Err(Error::WouldBlock);
        }
        match receive_nowait(self.descriptor().as_fd(), buffer) {
            // On some systems these differ.
            #[allow(unreachable_patterns, reason = "on Linux they do not")]
            Err(Refusal::System(libc::EAGAIN | libc::EWOULDBLOCK)) => Err(Error::WouldBlock),
            answer => self.receiving().judge(answer),
        }
    }
}

/// Receives into a buffer, unless that would wait.
fn receive_nowait(socket: BorrowedFd<'_>, buffer: &mut [u8]) -> Answer {
    let length = buffer.len().min(MOST);
    loop {
        // SAFETY: the buffer has room for so many bytes.
        let count =
            unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), length, libc::MSG_DONTWAIT) };
        if let Ok(count) = u32::try_from(count) {
            return Ok(count);
        }
        match std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO) {
            libc::EINTR => {}
            number => return Err(Refusal::System(number)),
        }
    }
}
