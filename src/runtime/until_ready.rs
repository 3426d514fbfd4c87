//! Waiting until a descriptor is ready, as an operation.
//!
//! # Contract
//! No memory is named. The descriptor is counted by its owner's share, or is another's, who keeps it open as long as somebody
//! waits; if it is closed all the same, a poll of what has its number then does no harm, as it neither takes nor changes
//! anything.

use super::{Answer, Descriptor, Payload, WaitReason};
use anyio_driver::Op;
use std::{marker::PhantomData, os::fd::RawFd};

/// What is waited for, and why.
pub(crate) trait Readiness: 'static {
    /// What the task waits for.
    const REASON: WaitReason;

    /// `POLL…`.
    const EVENTS: i16;
}

/// What can be polled.
pub(crate) trait Polled: 'static {
    /// Whether the wait can be begun again without asking whoever owns the descriptor.
    const IS_OURS: bool;

    fn number(&self) -> RawFd;
}

impl Polled for Descriptor {
    const IS_OURS: bool = true;

    fn number(&self) -> RawFd {
        self.raw()
    }
}

/// Another's.
impl Polled for RawFd {
    const IS_OURS: bool = false;

    fn number(&self) -> RawFd {
        *self
    }
}

/// Waits until a descriptor is ready.
pub(crate) struct UntilReady<D, R> {
    descriptor: D,
    _readiness: PhantomData<R>,
}

impl<D: Polled, R: Readiness> UntilReady<D, R> {
    pub(crate) fn new(descriptor: D) -> Self {
        Self { descriptor, _readiness: PhantomData }
    }
}

// SAFETY: see the contract.
unsafe impl<D: Polled, R: Readiness> Payload for UntilReady<D, R> {
    const REASON: WaitReason = R::REASON;
    const REPEATABLE: bool = D::IS_OURS;
    const IS_OURS: bool = D::IS_OURS;

    type Output = Answer;

    fn op(&mut self) -> Op {
        Op::Poll { fd: self.descriptor.number(), events: R::EVENTS as u32 }
    }

    fn finish(self, answer: Answer) -> Answer {
        answer
    }
}
