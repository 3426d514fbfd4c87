//! How much the system keeps of datagrams.

use crate::runtime::calls::Options;
use std::{io, os::fd::OwnedFd};

/// How many bytes of datagrams the system keeps in each direction, if it is not to be its default.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::net) struct BufferSizes {
    pub(in crate::net) receive: Option<usize>,
    pub(in crate::net) send: Option<usize>,
}

impl BufferSizes {
    /// Sets them, up to the system's own limits.
    ///
    /// # Errors
    /// What the system says.
    pub(in crate::net) fn apply(self, socket: &OwnedFd) -> io::Result<()> {
        if let Some(bytes) = self.receive {
            Options::of(socket).set(|socket| socket.set_recv_buffer_size(bytes))?;
        }
        if let Some(bytes) = self.send {
            Options::of(socket).set(|socket| socket.set_send_buffer_size(bytes))?;
        }
        Ok(())
    }
}
