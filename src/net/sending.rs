//! Sending and receiving with buffers of the caller's.
//!
//! # Contract
//! A payload here owns its buffer, held so that the bytes stay where they are, and a share of the descriptor.

use crate::{
    error::Result,
    lowlevel::checkpoint_if_cancelled,
    runtime::{Answer, Core, Descriptor, Operation, Payload, WaitReason},
};
use anyio_driver::{Held, IoBuf, IoBufMut, Op};
use std::future::poll_fn;

/// The most that one operation sends or receives: what Linux limits system calls to.
const MOST: usize = 0x7fff_f000;

/// Sends what is left of a buffer.
struct Send<B> {
    descriptor: Descriptor,
    data: Held<B>,
    sent: usize,
    flags: i32,
}

// SAFETY: the descriptor is counted, and a held buffer stays where it is.
unsafe impl<B: IoBuf> Payload for Send<B> {
    const REASON: WaitReason = WaitReason::Send;

    type Output = (Answer, Self);

    #[inline]
    fn op(&mut self) -> Op {
        let bytes = &self.data.get().bytes()[self.sent..];
        Op::Send {
            fd: self.descriptor.raw(),
            pointer: bytes.as_ptr(),
            length: bytes.len().min(MOST) as u32,
            flags: self.flags,
        }
    }

    #[inline]
    fn finish(self, answer: Answer) -> (Answer, Self) {
        (answer, self)
    }
}

/// Sends all bytes of a buffer.
#[inline]
pub(super) async fn send_all<B: IoBuf>(descriptor: &Descriptor, data: B) -> (Answer, B) {
    let length = data.length();
    // The kernel goes on by itself after it could send a part.
    let flags = libc::MSG_WAITALL;
    let mut send = Send { descriptor: descriptor.clone(), data: Held::new(data), sent: 0, flags };
    let answer = loop {
        let (answer, payload) = Operation::new(send).await;
        send = payload;
        match answer {
            Ok(count) if count > 0 => send.sent += count as usize,
            _ => break answer,
        }
        if send.sent == length {
            break answer;
        }
    };
    (answer, send.data.into_inner())
}

/// Sends some bytes of a buffer.
pub(super) async fn send_some<B: IoBuf>(descriptor: &Descriptor, data: B) -> (Answer, B) {
    let send = Send { descriptor: descriptor.clone(), data: Held::new(data), sent: 0, flags: 0 };
    let (answer, send) = Operation::new(send).await;
    (answer, send.data.into_inner())
}

/// Does nothing, but is a checkpoint all the same.
///
/// # Errors
/// A cancellation.
pub(super) async fn nothing_to_do() -> Result<()> {
    checkpoint_if_cancelled().await?;
    poll_fn(|cx| Core::with(|core| core.poll_immediate(cx))).await;
    Ok(())
}

/// Receives into a buffer of the caller's.
struct ReceiveInto<B> {
    descriptor: Descriptor,
    buffer: Held<B>,
}

// SAFETY: the descriptor is counted, and a held buffer stays where it is.
unsafe impl<B: IoBufMut> Payload for ReceiveInto<B> {
    const REASON: WaitReason = WaitReason::Receive;

    type Output = (Answer, B);

    fn op(&mut self) -> Op {
        let buffer = self.buffer.get_mut();
        Op::Receive {
            fd: self.descriptor.raw(),
            pointer: buffer.pointer_mut(),
            length: buffer.capacity().min(MOST) as u32,
            flags: 0,
        }
    }

    fn finish(mut self, answer: Answer) -> (Answer, B) {
        if let Ok(count) = answer {
            // SAFETY: the kernel has filled so many bytes.
            unsafe { self.buffer.get_mut().set_filled(count as usize) };
        }
        (answer, self.buffer.into_inner())
    }
}

/// Receives into a buffer of the caller's, which has room.
pub(super) async fn receive_into<B: IoBufMut>(descriptor: &Descriptor, buffer: B) -> (Answer, B) {
    Operation::new(ReceiveInto { descriptor: descriptor.clone(), buffer: Held::new(buffer) }).await
}

/// Shuts down one or both directions of a socket.
pub(super) struct Shutdown {
    pub(super) descriptor: Descriptor,
    pub(super) how: i32,
}

// SAFETY: the descriptor is counted; no memory is named.
unsafe impl Payload for Shutdown {
    const REASON: WaitReason = WaitReason::Close;

    type Output = Result<()>;

    fn op(&mut self) -> Op {
        Op::Shutdown { fd: self.descriptor.raw(), how: self.how }
    }

    fn finish(self, answer: Answer) -> Result<()> {
        answer.map(drop).map_err(|refusal| refusal.on_stream("shutdown"))
    }
}
