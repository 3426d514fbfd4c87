//! Sending to a pipe.

use super::into_blocking;
use crate::{
    error::{Error, Result},
    runtime::{Answer, Descriptor, Operation, Payload, WaitReason},
};
use anyio_driver::{Held, IoBuf, Op};
use std::{
    cell::Cell,
    fmt, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// The end of a pipe that takes bytes.
pub(crate) struct Sending {
    descriptor: Descriptor,
    busy: Cell<bool>,
}

impl Sending {
    pub(crate) fn new(pipe: OwnedFd) -> Self {
        Self { descriptor: Descriptor::new(pipe), busy: Cell::new(false) }
    }

    /// Sends all bytes of a buffer and gives it back.
    pub(crate) async fn send_buf<B: IoBuf>(&self, data: B) -> (Result<()>, B) {
        if self.busy.replace(true) {
            return (Err(Error::BusyResource("sending to this stream")), data);
        }
        let _reserved = Reserved(&self.busy);
        let length = data.length();
        let mut write = Write { descriptor: self.descriptor.clone(), data: Held::new(data), written: 0 };
        let result = loop {
            let (answer, payload) = Operation::new(write).await;
            write = payload;
            match answer {
                Ok(0) if length > 0 => break Err(Error::BrokenResource(io::ErrorKind::WriteZero.into())),
                Ok(count) => write.written += count as usize,
                Err(refusal) => break Err(refusal.on_stream("write")),
            }
            if write.written == length {
                break Ok(());
            }
        };
        (result, write.data.into_inner())
    }

    /// Closes the pipe; its reader sees the end.
    pub(crate) async fn close(self) -> Result<()> {
        Ok(self.descriptor.close().await?)
    }

    /// Gives the bare pipe away.
    pub(crate) fn into_owned(self) -> Result<OwnedFd, Self> {
        let Self { descriptor, busy } = self;
        into_blocking(descriptor).map_err(|descriptor| Self { descriptor, busy })
    }
}

impl AsFd for Sending {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.descriptor, f)
    }
}

/// Says that one task uses the stream, until it is dropped.
struct Reserved<'a>(&'a Cell<bool>);

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Writes what is left of a buffer.
struct Write<B> {
    descriptor: Descriptor,
    data: Held<B>,
    written: usize,
}

// SAFETY: the descriptor is counted, and a held buffer stays where it is.
unsafe impl<B: IoBuf> Payload for Write<B> {
    const REASON: WaitReason = WaitReason::Send;

    type Output = (Answer, Self);

    fn op(&mut self) -> Op {
        let bytes = &self.data.get().bytes()[self.written..];
        Op::Write {
            fd: self.descriptor.raw(),
            pointer: bytes.as_ptr(),
            length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            offset: None,
        }
    }

    fn finish(self, answer: Answer) -> (Answer, Self) {
        (answer, self)
    }
}
