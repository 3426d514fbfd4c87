//! Receiving from a pipe.

use crate::{
    error::Result,
    receiving::{FromPipe, Receiving},
    runtime::Descriptor,
};
use std::{
    fmt,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

impl Receiving<FromPipe> {
    pub(crate) fn of_pipe(pipe: OwnedFd) -> Self {
        Self::new(Descriptor::new(pipe))
    }

    /// Closes the pipe, after the operation in flight has been stopped. What it had brought is dropped.
    pub(crate) async fn close(self) -> Result<()> {
        self.stop().await;
        let descriptor = self.descriptor().clone();
        drop(self);
        Ok(descriptor.close_and_cancel().await?)
    }

    /// Gives the bare pipe away, if nothing was received that its owner has not seen.
    pub(crate) fn into_owned(self) -> Result<OwnedFd, Self> {
        if self.holds_bytes() {
            return Err(self);
        }
        let descriptor = self.descriptor().clone();
        drop(self);
        descriptor.into_owned().map_err(Self::new)
    }
}

impl AsFd for Receiving<FromPipe> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor().as_fd()
    }
}

impl fmt::Debug for Receiving<FromPipe> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.descriptor(), f)
    }
}
