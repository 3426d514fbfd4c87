//! A socket of datagrams, of whatever family.

use super::{DatagramReceiving, Interpreter, Sender};
use crate::{
    error::{Error, Result},
    runtime::{Descriptor, calls},
};
use socket2::SockRef;
use std::{io, os::fd::OwnedFd};

/// Both sides of a socket.
pub(in crate::net) struct DatagramSocket<I> {
    pub(in crate::net) receiving: DatagramReceiving<I>,
    pub(in crate::net) sender: Sender,
}

impl<I: Interpreter> DatagramSocket<I> {
    pub(in crate::net) fn new(receiving: DatagramReceiving<I>, sender: Sender) -> Self {
        Self { receiving, sender }
    }

    pub(in crate::net) fn descriptor(&self) -> &Descriptor {
        self.sender.descriptor()
    }

    pub(in crate::net) fn options(&self) -> SockRef<'_> {
        calls::options_for_users(self.descriptor())
    }

    /// Ends what is in flight, and closes.
    pub(in crate::net) async fn close(self) -> Result<()> {
        let Self { receiving, sender } = self;
        receiving.stop().await;
        drop(receiving);
        let descriptor = sender.descriptor().clone();
        drop(sender);
        Ok(descriptor.close_and_cancel().await?)
    }

    /// Gives the bare descriptor away, in blocking mode, if nothing was received that its owner has not seen and no send
    /// whose future was dropped is in flight.
    #[expect(clippy::result_large_err, reason = "the error is the socket itself")]
    pub(in crate::net) fn into_owned(self) -> Result<OwnedFd, Self> {
        let holds = self.receiving.holds_datagrams() || self.receiving.interpreter().has_rest();
        if holds || !self.descriptor().is_unused(2) {
            return Err(self);
        }
        let Self { receiving, sender } = self;
        let descriptor = sender.descriptor().clone();
        drop((receiving, sender));
        let descriptor = descriptor.into_owned().unwrap_or_else(|_| unreachable!("nobody else has a share"));
        // It fails only for what is no open descriptor.
        let _ = calls::set_blocking(&descriptor, true);
        Ok(descriptor)
    }
}

/// Tells of a datagram that is cut, where nothing else could.
///
/// # Errors
/// If it is.
pub(in crate::net) fn check_whole(truncated: bool, length: usize) -> Result<()> {
    if truncated {
        let text = format!("a datagram was longer than {length} bytes");
        return Err(Error::Io(io::Error::new(io::ErrorKind::InvalidData, text)));
    }
    Ok(())
}
