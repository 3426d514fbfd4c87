//! Receiving what is there, at once.

use super::socket::Socket;
use crate::{
    error::{Error, Result},
    receiving::MOST,
    runtime::{Core, Refusal, calls},
};
use bytes::{BufMut, buf::UninitSlice};
use std::os::fd::AsFd;

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
        match self.receive_at_once(buffer.chunk_mut()) {
            // On some systems these differ.
            #[allow(unreachable_patterns, reason = "on Linux they do not")]
            Err(libc::EAGAIN | libc::EWOULDBLOCK) => Err(Error::WouldBlock),
            answer => {
                let count = self.receiving().judge(answer.map_err(Refusal::System))?;
                // SAFETY: so many bytes of its room were just filled.
                unsafe { buffer.advance_mut(count) };
                Ok(count)
            }
        }
    }

    /// Receives into a buffer, unless that would wait.
    fn receive_at_once(&self, buffer: &mut UninitSlice) -> Result<u32, i32> {
        let length = buffer.len().min(MOST);
        Core::with(|core| {
            loop {
                match calls::receive(core, self.descriptor().as_fd(), &mut buffer[..length]) {
                    Err(libc::EINTR) => {}
                    answer => return answer.map(|count| count as u32),
                }
            }
        })
    }
}
