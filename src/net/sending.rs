//! Sending and receiving with buffers of the caller's.

use crate::{
    error::{Error, Result},
    runtime::{Answer, Descriptor, Operation, Payload},
};
use anyio_driver::{Held, IoBuf, IoBufMut, Op};
use std::io;

/// Sends what is left of a buffer.
struct Send<B> {
    descriptor: Descriptor,
    data: Held<B>,
    sent: usize,
}

// SAFETY: the descriptor is counted, and a held buffer stays where it is.
unsafe impl<B: IoBuf> Payload for Send<B> {
    type Output = (Answer, Self);

    #[inline]
    fn op(&mut self) -> Op {
        let bytes = &self.data.get().bytes()[self.sent..];
        Op::Send {
            fd: self.descriptor.raw(),
            pointer: bytes.as_ptr(),
            length: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
            // The kernel goes on by itself after it could send a part.
            flags: libc::MSG_WAITALL,
        }
    }

    #[inline]
    fn finish(self, answer: Answer) -> (Answer, Self) {
        (answer, self)
    }
}

/// Sends all bytes of a buffer; gives how many were sent, with the error if not all were.
pub(super) async fn send_all<B: IoBuf>(descriptor: &Descriptor, data: B) -> (Result<()>, usize, B) {
    let length = data.length();
    let mut send = Send { descriptor: descriptor.clone(), data: Held::new(data), sent: 0 };
    let result = loop {
        if send.sent == length {
            break Ok(());
        }
        let (answer, payload) = Operation::new(send).await;
        send = payload;
        match answer {
            Ok(0) => break Err(Error::BrokenResource(io::ErrorKind::WriteZero.into())),
            Ok(count) => send.sent += count as usize,
            Err(refusal) => break Err(refusal.on_stream("send")),
        }
    };
    (result, send.sent, send.data.into_inner())
}

/// Receives into a buffer of the caller's.
struct ReceiveInto<B> {
    descriptor: Descriptor,
    buffer: Held<B>,
}

// SAFETY: the descriptor is counted, and a held buffer stays where it is.
unsafe impl<B: IoBufMut> Payload for ReceiveInto<B> {
    type Output = (Result<usize>, B);

    fn op(&mut self) -> Op {
        let buffer = self.buffer.get_mut();
        Op::Receive {
            fd: self.descriptor.raw(),
            pointer: buffer.pointer_mut(),
            length: u32::try_from(buffer.capacity()).unwrap_or(u32::MAX),
            flags: 0,
        }
    }

    fn finish(mut self, answer: Answer) -> (Result<usize>, B) {
        let result = match answer {
            Ok(count) => {
                // SAFETY: the kernel has filled so many bytes.
                unsafe { self.buffer.get_mut().set_filled(count as usize) };
                Ok(count as usize)
            }
            Err(refusal) => Err(refusal.on_stream("receive")),
        };
        (result, self.buffer.into_inner())
    }
}

/// Receives into a buffer of the caller's; 0 is the end of the stream, or a buffer without room.
pub(super) async fn receive_into<B: IoBufMut>(descriptor: &Descriptor, buffer: B) -> (Result<usize>, B) {
    if buffer.capacity() == 0 {
        return (Ok(0), buffer);
    }
    Operation::new(ReceiveInto { descriptor: descriptor.clone(), buffer: Held::new(buffer) }).await
}

/// Shuts down one or both directions of a socket.
pub(super) struct Shutdown {
    pub(super) descriptor: Descriptor,
    pub(super) how: i32,
}

// SAFETY: the descriptor is counted; no memory is named.
unsafe impl Payload for Shutdown {
    type Output = Result<()>;

    fn op(&mut self) -> Op {
        Op::Shutdown { fd: self.descriptor.raw(), how: self.how }
    }

    fn finish(self, answer: Answer) -> Result<()> {
        answer.map(drop).map_err(|refusal| refusal.on_stream("shutdown"))
    }
}
