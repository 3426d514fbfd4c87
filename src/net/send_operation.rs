//! The operation that sends.
//!
//! # Contract
//! A payload here owns its buffer, held so that the bytes stay where they are, and a share of the descriptor.

use crate::{
    receiving::MOST,
    runtime::{Answer, Descriptor, Payload, WaitReason},
};
use anyio_driver::{Held, IoBuf, Op, planted};

/// Sends a buffer.
pub(super) struct Send<B> {
    descriptor: Descriptor,
    pub(super) data: Held<B>,
    sent: usize,
    extent: Extent,
}

/// How much of a buffer is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// What there is room for, once there is some.
    Some,
    Whole,
}

impl Extent {
    #[inline]
    fn flags(self) -> libc::c_int {
        match self {
            Self::Some => 0,
            // The kernel goes on by itself after it could send a part.
            Self::Whole => libc::MSG_WAITALL,
        }
    }

    /// Whether what is left after a part is to be sent, too.
    #[cold]
    fn goes_on(self) -> bool {
        self == Self::Whole && !planted("short send taken for whole")
    }
}

impl<B: IoBuf> Send<B> {
    #[inline]
    pub(super) fn new(descriptor: &Descriptor, data: B, extent: Extent) -> Self {
        Self { descriptor: descriptor.clone(), data: Held::new(data), sent: 0, extent }
    }
}

// SAFETY: the descriptor is counted, and a held buffer stays where it is.
unsafe impl<B: IoBuf> Payload for Send<B> {
    const REASON: WaitReason = WaitReason::Send;

    type Output = (Answer, B);

    #[inline]
    fn op(&mut self) -> Op {
        let bytes = &self.data.get().bytes()[self.sent..];
        Op::Send {
            fd: self.descriptor.raw(),
            pointer: bytes.as_ptr(),
            length: bytes.len().min(MOST) as u32,
            flags: self.extent.flags(),
        }
    }

    #[inline]
    fn goes_on(&mut self, count: u32) -> bool {
        self.sent += count as usize;
        count > 0 && self.sent < self.data.get().length() && self.extent.goes_on()
    }

    #[inline]
    fn finish(self, answer: Answer) -> (Answer, B) {
        (answer, self.data.into_inner())
    }
}
