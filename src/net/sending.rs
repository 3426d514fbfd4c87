//! Sending.
//!
//! # Contract
//! A payload here has a share of the descriptor, and names no memory.

use super::{
    send_operation::{Extent, Send},
    socket::{SENDING, Socket},
};
use crate::{
    error::{Error, Result},
    reserved::Reserved,
    runtime::{
        Answer, Core, Descriptor, Operation, Payload, Refusal, WaitReason, calls, nothing_to_do,
        poll_nothing_to_do,
    },
};
use anyio_driver::{IoBuf, Op};
use std::{
    future::Future,
    io::IoSlice,
    os::fd::AsFd,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Sends all bytes of a buffer, and gives it back.
#[must_use = "nothing is sent until it is awaited"]
pub(super) struct SendAll<'a, B: IoBuf> {
    socket: &'a Socket,
    operation: Operation<Send<B>>,
    /// Held from the first poll to the output.
    reserved: Option<Reserved<'a>>,
}

impl<'a, B: IoBuf> SendAll<'a, B> {
    #[inline]
    pub(super) fn new(socket: &'a Socket, data: B) -> Self {
        let send = Send::new(socket.descriptor(), data, Extent::Whole);
        Self { socket, operation: Operation::new(send), reserved: None }
    }

    /// Ends it without anything having been sent.
    #[cold]
    fn end_unsent(&mut self, result: Result<()>) -> (Result<()>, B) {
        self.reserved = None;
        (result, self.operation.take_payload().data.into_inner())
    }
}

impl<B: IoBuf> Future for SendAll<'_, B> {
    type Output = (Result<()>, B);

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if this.reserved.is_none() {
            match this.socket.reserve_sending() {
                Ok(reserved) => this.reserved = Some(reserved),
                Err(error) => return Poll::Ready(this.end_unsent(Err(error))),
            }
        }
        if !this.operation.has_begun() && this.operation.payload().data.get().length() == 0 {
            let checked = ready!(poll_nothing_to_do(cx));
            return Poll::Ready(this.end_unsent(checked));
        }
        let (answer, data) = ready!(Pin::new(&mut this.operation).poll(cx));
        this.reserved = None;
        Poll::Ready((this.socket.judge_sent(answer).map(drop), data))
    }
}

/// Sends all bytes of a buffer and drops it.
#[must_use = "nothing is sent until it is awaited"]
pub(super) struct SendAndDrop<'a, B: IoBuf>(pub(super) SendAll<'a, B>);

impl<B: IoBuf> Future for SendAndDrop<'_, B> {
    type Output = Result<()>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.0).poll(cx).map(|(sent, _data)| sent)
    }
}

/// Sends some bytes of a buffer.
pub(super) async fn send_some<B: IoBuf>(descriptor: &Descriptor, data: B) -> (Answer, B) {
    Operation::new(Send::new(descriptor, data, Extent::Some)).await
}

impl Socket {
    /// Sends all bytes of a buffer.
    #[inline]
    pub(super) fn send(&self, data: impl IoBuf) -> impl Future<Output = Result<()>> {
        SendAndDrop(SendAll::new(self, data))
    }

    /// Sends all bytes of a buffer, and gives it back.
    #[inline]
    pub(super) fn send_buf<B: IoBuf>(&self, data: B) -> SendAll<'_, B> {
        SendAll::new(self, data)
    }

    pub(super) async fn send_some<B: IoBuf>(&self, data: B) -> (Result<usize>, B) {
        let _reserved = match self.reserve_sending() {
            Ok(reserved) => reserved,
            Err(error) => return (Err(error), data),
        };
        if data.length() == 0 {
            return (nothing_to_do().await.map(|()| 0), data);
        }
        let (answer, data) = send_some(self.descriptor(), data).await;
        (self.judge_sent(answer), data)
    }

    /// Sends what can be sent at once.
    pub(super) fn send_nowait(&self, buffers: &[IoSlice<'_>]) -> Result<usize> {
        /// The kernel takes no more at a time.
        const MOST_BUFFERS: usize = 1024;

        let _reserved = self.reserve_sending()?;
        Core::with(|core| core.check_cancelled())?;
        let flags = calls::AT_ONCE.ok_or(Error::Unsupported("sending without waiting"))?;
        let buffers = &buffers[..buffers.len().min(MOST_BUFFERS)];
        if buffers.iter().all(|buffer| buffer.is_empty()) {
            return Ok(0);
        }
        let answer = Core::with(|core| {
            loop {
                match calls::send_buffers(core, self.descriptor().as_fd(), buffers, flags) {
                    Err(libc::EINTR) => {}
                    answer => break answer,
                }
            }
        });
        match answer {
            // On some systems these differ.
            #[allow(unreachable_patterns, reason = "on Linux they do not")]
            Err(libc::EAGAIN | libc::EWOULDBLOCK) => Err(Error::WouldBlock),
            Err(number) => self.judge_sent(Err(Refusal::System(number))),
            Ok(count) => self.judge_sent(Ok(count.min(u32::MAX as usize) as u32)),
        }
    }

    pub(super) async fn send_eof(&self) -> Result<()> {
        let _reserved = Reserved::of(&self.sending, SENDING)?;
        self.check_all_sent()?;
        if self.eof_sent.get() {
            return nothing_to_do().await;
        }
        let descriptor = self.descriptor().clone();
        Operation::new(Shutdown { descriptor, how: libc::SHUT_WR }).await?;
        self.eof_sent.set(true);
        Ok(())
    }
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
