//! Receiving into a buffer of the caller's, and no more than was asked for.
//!
//! # Contract
//! A payload here owns its buffer, held so that the bytes stay where they are, and a share of the descriptor.

use super::{Keeper, Receiving, Source};
use crate::{
    error::Result,
    runtime::{Answer, Core, Descriptor, Operation, Payload, WaitReason, nothing_to_do},
};
use anyio_driver::{Chunk, Driver, Held, IoBufMut, Op};
use bytes::BufMut;
use std::marker::PhantomData;

/// The most that one operation sends or receives: what Linux limits system calls to.
pub(crate) const MOST: usize = 0x7fff_f000;

impl<S: Source> Receiving<S> {
    /// Receives at most so many bytes.
    pub(crate) async fn receive_at_most(&self, max_bytes: usize) -> Result<Option<Chunk>> {
        assert!(max_bytes > 0, "receiving at most 0 bytes would look like the end of the stream");
        let Some(mut chunk) = self.receive().await? else { return Ok(None) };
        if chunk.len() <= max_bytes {
            return Ok(Some(chunk));
        }
        let mut first = Core::with(|core| core.driver().pool().take());
        let count = max_bytes.min(first.spare_capacity());
        // There is room: the count was just limited to it.
        let _ = first.extend_from_slice(&chunk[..count]);
        chunk.advance(count);
        self.keep_rest(chunk);
        Ok(Some(first))
    }

    /// Takes what has come already and was not given out: bytes, the end, or an error. `None` if that is nothing.
    pub(crate) fn take_nowait(&self, buffer: &mut (impl BufMut + ?Sized)) -> Option<Result<usize>> {
        let taken = Core::with(|core| {
            let brought = self.take_ready(core)?;
            Some(brought.map(|brought| self.give(core, brought)))
        });
        let mut chunk = match taken? {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return Some(Ok(0)),
            Err(error) => return Some(Err(error)),
        };
        let count = chunk.len().min(buffer.remaining_mut());
        buffer.put_slice(&chunk[..count]);
        if count < chunk.len() {
            chunk.advance(count);
            self.keep_rest(chunk);
        }
        Some(Ok(count))
    }

    /// Receives into a buffer of the caller's; 0 is the end of the stream, or a buffer without room.
    pub(crate) async fn receive_into<B: IoBufMut>(&self, buffer: B) -> (Result<usize>, B) {
        if buffer.capacity() == 0 {
            return (nothing_to_do().await.map(|()| 0), buffer);
        }
        if self.has_begun() {
            return self.receive_copied(buffer).await;
        }
        match self.reserve() {
            Ok(_reserved) => {
                let (answer, buffer) = Operation::new(ReceiveInto {
                    descriptor: self.descriptor().clone(),
                    buffer: Held::new(buffer),
                    source: PhantomData::<S>,
                })
                .await;
                (self.judge(answer), buffer)
            }
            Err(error) => (Err(error), buffer),
        }
    }

    /// Fills a caller's buffer from what a receive into the runtime's buffers brings.
    async fn receive_copied<B: IoBufMut>(&self, mut buffer: B) -> (Result<usize>, B) {
        match self.receive_at_most(buffer.capacity()).await {
            Ok(Some(chunk)) => (Ok(buffer.fill_from(&chunk)), buffer),
            Ok(None) => (Ok(0), buffer),
            Err(error) => (Err(error), buffer),
        }
    }
}

/// Receives into a buffer of the caller's.
struct ReceiveInto<B, S> {
    descriptor: Descriptor,
    buffer: Held<B>,
    source: PhantomData<S>,
}

// SAFETY: the descriptor is counted, and a held buffer stays where it is.
unsafe impl<B: IoBufMut, S: Source> Payload for ReceiveInto<B, S> {
    const REASON: WaitReason = WaitReason::Receive;

    type Output = (Answer, B);

    fn op(&mut self) -> Op {
        let buffer = self.buffer.get_mut();
        S::op(self.descriptor.raw(), buffer.pointer_mut(), buffer.capacity().min(MOST) as u32)
    }

    fn finish(mut self, answer: Answer) -> (Answer, B) {
        if let Ok(count) = answer {
            // SAFETY: the kernel has filled so many bytes.
            unsafe { self.buffer.get_mut().set_filled(count as usize) };
        }
        (answer, self.buffer.into_inner())
    }
}
