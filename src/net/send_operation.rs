//! The operation that sends.
//!
//! # Contract
//! A payload here owns its buffer, held so that the bytes stay where they are, and a share of the descriptor.

use crate::{
    receiving::MOST,
    runtime::{Answer, Descriptor, Payload, WaitReason},
};
use anyio_driver::{Held, IoBuf, Op, planted};

/// The flags of sends that neither wait nor raise a signal.
#[cfg(not(target_vendor = "apple"))]
pub(super) const AT_ONCE: Option<libc::c_int> = Some(libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL);
/// Whether a signal is raised is up to each socket here.
#[cfg(target_vendor = "apple")]
pub(super) const AT_ONCE: Option<libc::c_int> = None;

/// Sends a buffer: all of it, or what there is room for.
pub(super) struct Send<B> {
    descriptor: Descriptor,
    pub(super) data: Held<B>,
    sent: usize,
    whole: bool,
}

impl<B: IoBuf> Send<B> {
    #[inline]
    pub(super) fn new(descriptor: &Descriptor, data: B, whole: bool) -> Self {
        Self { descriptor: descriptor.clone(), data: Held::new(data), sent: 0, whole }
    }

    pub(super) fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// What was not sent.
    pub(super) fn rest(&self) -> &[u8] {
        &self.data.get().bytes()[self.sent..]
    }
}

// SAFETY: the descriptor is counted, and a held buffer stays where it is.
unsafe impl<B: IoBuf> Payload for Send<B> {
    const REASON: WaitReason = WaitReason::Send;

    type Output = (Answer, B);

    #[inline]
    fn op(&mut self) -> Op {
        let bytes = self.rest();
        Op::Send {
            fd: self.descriptor.raw(),
            pointer: bytes.as_ptr(),
            length: bytes.len().min(MOST) as u32,
            // The kernel goes on by itself after it could send a part.
            flags: if self.whole { libc::MSG_WAITALL } else { 0 },
        }
    }

    #[inline]
    fn goes_on(&mut self, count: u32) -> bool {
        self.sent += count as usize;
        self.whole
            && count > 0
            && self.sent < self.data.get().length()
            && !planted("short send taken for whole")
    }

    #[inline]
    fn finish(self, answer: Answer) -> (Answer, B) {
        (answer, self.data.into_inner())
    }
}
