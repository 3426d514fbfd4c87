//! Receiving what is there, at once.

use super::socket::Socket;
use crate::{
    error::{Error, Result},
    receiving::MOST,
    runtime::{Core, Refusal, calls},
};
use std::os::fd::AsFd;

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
        let length = buffer.len().min(MOST);
        let answer = Core::with(|core| {
            loop {
                match calls::receive(core, self.descriptor().as_fd(), &mut buffer[..length]) {
                    Err(libc::EINTR) => {}
                    answer => break answer,
                }
            }
        });
        match answer {
            // On some systems these differ.
            #[allow(unreachable_patterns, reason = "on Linux they do not")]
            Err(libc::EAGAIN | libc::EWOULDBLOCK) => Err(Error::WouldBlock),
            answer => self.receiving().judge(answer.map(|count| count as u32).map_err(Refusal::System)),
        }
    }
}
