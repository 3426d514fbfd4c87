//! Reading and writing with several buffers.
//!
//! # Contract
//! The array of pieces is on the heap and owned by the payload, like the buffers that the pieces lead to. It is made
//! when the operation is submitted, when the buffers have come to their place.

use super::MOST;
use crate::runtime::{Answer, Descriptor, Payload, WaitReason};
use anyio_driver::{Held, IoBuf, IoBufMut, Op};
use libc::iovec;

/// The most pieces that the kernel takes at once.
const MOST_PIECES: usize = 1024;

/// Reads into several buffers, one after the other.
pub(in crate::fs) struct ReadVectored<B> {
    descriptor: Descriptor,
    buffers: Vec<Held<B>>,
    pieces: Vec<iovec>,
    offset: Option<u64>,
}

/// Writes several buffers, one after the other.
pub(in crate::fs) struct WriteVectored<B> {
    descriptor: Descriptor,
    buffers: Vec<Held<B>>,
    pieces: Vec<iovec>,
    offset: Option<u64>,
}

fn hold<B: IoBuf>(buffers: Vec<B>) -> Vec<Held<B>> {
    buffers.into_iter().map(Held::new).collect()
}

fn release<B: IoBuf>(buffers: Vec<Held<B>>) -> Vec<B> {
    buffers.into_iter().map(Held::into_inner).collect()
}

impl<B: IoBufMut> ReadVectored<B> {
    pub(in crate::fs) fn new(descriptor: Descriptor, buffers: Vec<B>, offset: Option<u64>) -> Self {
        Self { descriptor, buffers: hold(buffers), pieces: Vec::new(), offset }
    }
}

impl<B: IoBuf> WriteVectored<B> {
    pub(in crate::fs) fn new(descriptor: Descriptor, buffers: Vec<B>, offset: Option<u64>) -> Self {
        Self { descriptor, buffers: hold(buffers), pieces: Vec::new(), offset }
    }
}

/// Takes pieces as long as the kernel takes them all.
fn within_limits(pieces: impl Iterator<Item = iovec>) -> Vec<iovec> {
    let mut left = MOST;
    let mut taken = Vec::new();
    for mut piece in pieces.filter(|piece| piece.iov_len > 0).take(MOST_PIECES) {
        piece.iov_len = piece.iov_len.min(left);
        left -= piece.iov_len;
        if piece.iov_len == 0 {
            break;
        }
        taken.push(piece);
    }
    taken
}

// SAFETY: the descriptor is shared, the buffers held, and the pieces owned by the payload, on the heap.
unsafe impl<B: IoBufMut> Payload for ReadVectored<B> {
    const REASON: WaitReason = WaitReason::File;

    type Output = (Answer, Vec<B>);

    fn op(&mut self) -> Op {
        self.pieces = within_limits(self.buffers.iter_mut().map(|buffer| {
            let buffer = buffer.get_mut();
            iovec { iov_base: buffer.pointer_mut().cast(), iov_len: buffer.capacity() }
        }));
        Op::ReadVectored {
            fd: self.descriptor.raw(),
            pieces: self.pieces.as_ptr(),
            count: self.pieces.len() as u32,
            offset: self.offset,
        }
    }

    fn finish(mut self, answer: Answer) -> Self::Output {
        if let Ok(count) = answer {
            let mut left = count as usize;
            for buffer in &mut self.buffers {
                let buffer = buffer.get_mut();
                let filled = left.min(buffer.capacity());
                // SAFETY: the kernel fills one buffer after the other, `count` bytes altogether.
                unsafe { buffer.set_filled(filled) };
                left -= filled;
            }
        }
        (answer, release(self.buffers))
    }
}

// SAFETY: the descriptor is shared, the buffers held, and the pieces owned by the payload, on the heap.
unsafe impl<B: IoBuf> Payload for WriteVectored<B> {
    const REASON: WaitReason = WaitReason::File;

    type Output = (Answer, Vec<B>);

    fn op(&mut self) -> Op {
        self.pieces = within_limits(self.buffers.iter().map(|buffer| {
            let buffer = buffer.get();
            iovec { iov_base: buffer.pointer().cast_mut().cast(), iov_len: buffer.length() }
        }));
        Op::WriteVectored {
            fd: self.descriptor.raw(),
            pieces: self.pieces.as_ptr(),
            count: self.pieces.len() as u32,
            offset: self.offset,
        }
    }

    fn finish(self, answer: Answer) -> Self::Output {
        (answer, release(self.buffers))
    }
}
