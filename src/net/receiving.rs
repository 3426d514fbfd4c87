//! Receiving what is there, at once.
//!
//! # Contract
//! The one call of the system here writes into the room that a buffer has left, and no further, and the buffer is told how
//! much that was.

use super::socket::Socket;
use crate::{
    error::{Error, Result},
    receiving::MOST,
    runtime::{Answer, Core, Refusal},
};
use bytes::{BufMut, buf::UninitSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

impl Socket {
    /// Receives what is there, without waiting. 0 is the end, or a buffer without room.
    pub(super) fn receive_nowait(&self, buffer: &mut (impl BufMut + ?Sized)) -> Result<usize> {
        let _reserved = self.receiving().reserve()?;
        Core::with(|core| core.check_cancelled())?;
        if !buffer.has_remaining_mut() {
            return Ok(0);
        }
        if let Some(taken) = self.receiving().take_nowait(buffer) {
            return taken;
        }
        // What is in flight is to bring the next bytes.
        if self.receiving().holds_bytes() {
            return Err(Error::WouldBlock);
        }
        match receive_nowait(self.descriptor().as_fd(), buffer.chunk_mut()) {
            // On some systems these differ.
            #[allow(unreachable_patterns, reason = "on Linux they do not")]
            Err(Refusal::System(libc::EAGAIN | libc::EWOULDBLOCK)) => Err(Error::WouldBlock),
            answer => {
                let count = self.receiving().judge(answer)?;
                // SAFETY: so many bytes of its room were just filled.
                unsafe { buffer.advance_mut(count) };
                Ok(count)
            }
        }
    }
}

/// Receives into a buffer, unless that would wait.
fn receive_nowait(socket: BorrowedFd<'_>, buffer: &mut UninitSlice) -> Answer {
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
