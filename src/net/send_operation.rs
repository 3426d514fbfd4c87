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
    /// All of it, and at first what there is room for at once: an attempt that waits for nothing.
    WholeAtOnce,
}

impl Extent {
    #[inline]
    fn flags(self) -> libc::c_int {
        match self {
            Self::Some => 0,
            // The kernel goes on by itself after it could send a part.
            Self::Whole => libc::MSG_WAITALL,
            Self::WholeAtOnce => libc::MSG_DONTWAIT,
        }
    }

    /// Whether what is left after a part is to be sent, too: from then on all of it.
    #[cold]
    fn goes_on(&mut self) -> bool {
        if *self == Self::WholeAtOnce {
            *self = Self::Whole;
        }
        *self == Self::Whole && !planted("short send taken for whole")
    }
}

impl<B: IoBuf> Send<B> {
    #[inline]
    pub(super) fn new(descriptor: &Descriptor, data: B, extent: Extent) -> Self {
        Self { descriptor: descriptor.clone(), data: Held::new(data), sent: 0, extent }
    }

    pub(super) fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// What was not sent.
    pub(super) fn rest(&self) -> &[u8] {
        &self.data.get().bytes()[self.sent..]
    }
}

impl Send<Vec<u8>> {
    /// Sends something else next, as [`Extent::WholeAtOnce`]: what is put here. Only while it is not in flight.
    #[inline]
    pub(super) fn refill(&mut self) -> &mut Vec<u8> {
        self.extent = Extent::WholeAtOnce;
        self.sent = 0;
        let bytes = self.data.get_mut();
        bytes.clear();
        bytes
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
            flags: self.extent.flags(),
        }
    }

    #[inline]
    fn goes_on(&mut self, count: u32) -> bool {
        self.sent += count as usize;
        count > 0 && self.sent < self.data.get().length() && self.extent.goes_on()
    }

    #[cold]
    fn goes_on_after(&mut self, error: i32) -> bool {
        // On some systems these differ.
        #[allow(unreachable_patterns, reason = "on Linux they do not")]
        let found_no_room = matches!(error, libc::EAGAIN | libc::EWOULDBLOCK);
        found_no_room && self.extent == Extent::WholeAtOnce && self.extent.goes_on()
    }

    #[inline]
    fn finish(self, answer: Answer) -> (Answer, B) {
        (answer, self.data.into_inner())
    }
}
