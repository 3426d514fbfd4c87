//! Reading and writing with one buffer.

use super::MOST;
use crate::runtime::{Answer, Descriptor, Payload, WaitReason};
use anyio_driver::{Held, IoBuf, IoBufMut, Op};

/// Reads into a buffer's room behind its first `skip` bytes, which stay as they are.
pub(in crate::fs) struct Read<B> {
    pub(in crate::fs) descriptor: Descriptor,
    pub(in crate::fs) buffer: Held<B>,
    pub(in crate::fs) skip: usize,
    /// Where in the file, or `None` for what has no positions.
    pub(in crate::fs) offset: Option<u64>,
}

// SAFETY: the descriptor is shared and the buffer held by the payload.
unsafe impl<B: IoBufMut> Payload for Read<B> {
    const REASON: WaitReason = WaitReason::File;

    type Output = (Answer, Held<B>);

    fn op(&mut self) -> Op {
        let buffer = self.buffer.get_mut();
        assert!(self.skip <= buffer.capacity(), "more is skipped than there is room");
        let length = buffer.capacity() - self.skip;
        Op::Read {
            fd: self.descriptor.raw(),
            // SAFETY: what is skipped is at most the capacity, as was just checked.
            pointer: unsafe { buffer.pointer_mut().add(self.skip) },
            length: length.min(MOST) as u32,
            offset: self.offset,
        }
    }

    fn finish(mut self, answer: Answer) -> Self::Output {
        if let Ok(count) = answer {
            // SAFETY: the skipped bytes were initialised, and the kernel has filled `count` behind them.
            unsafe { self.buffer.get_mut().set_filled(self.skip + count as usize) };
        }
        (answer, self.buffer)
    }
}

/// Writes a buffer's bytes behind the first `skip`.
pub(in crate::fs) struct Write<B> {
    pub(in crate::fs) descriptor: Descriptor,
    pub(in crate::fs) buffer: Held<B>,
    pub(in crate::fs) skip: usize,
    /// Where in the file, or `None` for its end and for what has no positions.
    pub(in crate::fs) offset: Option<u64>,
}

// SAFETY: the descriptor is shared and the buffer held by the payload.
unsafe impl<B: IoBuf> Payload for Write<B> {
    const REASON: WaitReason = WaitReason::File;

    type Output = (Answer, Held<B>);

    fn op(&mut self) -> Op {
        let rest = &self.buffer.get().bytes()[self.skip..];
        Op::Write {
            fd: self.descriptor.raw(),
            pointer: rest.as_ptr(),
            length: rest.len().min(MOST) as u32,
            offset: self.offset,
        }
    }

    fn finish(self, answer: Answer) -> Self::Output {
        (answer, self.buffer)
    }
}
