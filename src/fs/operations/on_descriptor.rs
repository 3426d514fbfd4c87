//! Operations on open files that transfer no data.

use crate::runtime::{Answer, Descriptor, Payload, WaitReason};
use anyio_driver::Op;
use libc::c_int;

/// What is done.
#[derive(Debug, Clone, Copy)]
pub(in crate::fs) enum Effect {
    Synchronize { data_only: bool },
    Truncate { length: u64 },
    Allocate { mode: c_int, offset: u64, length: u64 },
    Advise { offset: u64, length: u64, advice: c_int },
}

/// An operation on an open file.
pub(in crate::fs) struct OnDescriptor {
    pub(in crate::fs) descriptor: Descriptor,
    pub(in crate::fs) effect: Effect,
}

// SAFETY: a share of the descriptor is the operation's; no memory is named.
unsafe impl Payload for OnDescriptor {
    const REASON: WaitReason = WaitReason::File;

    type Output = Answer;

    fn op(&mut self) -> Op {
        let fd = self.descriptor.raw();
        match self.effect {
            Effect::Synchronize { data_only } => Op::Synchronize { fd, data_only },
            Effect::Truncate { length } => Op::Truncate { fd, length },
            Effect::Allocate { mode, offset, length } => Op::Allocate { fd, mode, offset, length },
            Effect::Advise { offset, length, advice } => Op::Advise { fd, offset, length, advice },
        }
    }

    fn finish(self, answer: Answer) -> Answer {
        answer
    }
}
