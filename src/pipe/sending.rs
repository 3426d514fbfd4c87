//! Sending to a pipe.

use crate::{
    error::{Error, Result},
    receiving::MOST,
    reserved::Reserved,
    runtime::{Answer, Descriptor, Operation, Payload, WaitReason, nothing_to_do},
};
use anyio_driver::{Held, IoBuf, Op, planted};
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
        let (result, data) = self.write(data, true).await;
        (result.map(drop), data)
    }

    /// Sends some bytes of a buffer and gives it back with their number.
    pub(crate) async fn send_some<B: IoBuf>(&self, data: B) -> (Result<usize>, B) {
        self.write(data, false).await
    }

    async fn write<B: IoBuf>(&self, data: B, whole: bool) -> (Result<usize>, B) {
        let _reserved = match Reserved::of(&self.busy, "sending to this stream") {
            Ok(reserved) => reserved,
            Err(error) => return (Err(error), data),
        };
        if data.length() == 0 {
            return (nothing_to_do().await.map(|()| 0), data);
        }
        let write = Write { descriptor: self.descriptor.clone(), data: Held::new(data), written: 0, whole };
        let (answer, data) = Operation::new(write).await;
        let result = match answer {
            Ok(0) => Err(Error::BrokenResource(io::ErrorKind::WriteZero.into())),
            Ok(count) => Ok(count as usize),
            Err(refusal) => Err(refusal.on_stream("write")),
        };
        (result, data)
    }

    /// Closes the pipe; its reader sees the end.
    pub(crate) async fn close(self) -> Result<()> {
        Ok(self.descriptor.close_and_cancel().await?)
    }

    /// Gives the bare pipe away.
    pub(crate) fn into_owned(self) -> Result<OwnedFd, Self> {
        let Self { descriptor, busy } = self;
        descriptor.into_owned().map_err(|descriptor| Self { descriptor, busy })
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

/// Writes a buffer: all of it, or what there is room for.
struct Write<B> {
    descriptor: Descriptor,
    data: Held<B>,
    written: usize,
    whole: bool,
}

// SAFETY: the descriptor is counted, and a held buffer stays where it is.
unsafe impl<B: IoBuf> Payload for Write<B> {
    const REASON: WaitReason = WaitReason::Send;

    type Output = (Answer, B);

    fn op(&mut self) -> Op {
        let bytes = &self.data.get().bytes()[self.written..];
        Op::Write {
            fd: self.descriptor.raw(),
            pointer: bytes.as_ptr(),
            length: bytes.len().min(MOST) as u32,
            offset: None,
        }
    }

    fn goes_on(&mut self, count: u32) -> bool {
        self.written += count as usize;
        self.whole
            && count > 0
            && self.written < self.data.get().length()
            && !planted("short write taken for whole")
    }

    fn finish(self, answer: Answer) -> (Answer, B) {
        (answer, self.data.into_inner())
    }
}
