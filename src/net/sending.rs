//! Sending.
//!
//! # Contract
//! A payload here has a share of the descriptor, and names no memory.

use super::{
    send_operation::{AT_ONCE, Extent, Send},
    socket::{SENDING, Socket},
    soon::{MOST, Wake},
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
        let flags = AT_ONCE.ok_or(Error::Unsupported("sending without waiting"))?;
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

    /// Takes over what lies in some buffers, if that is little, to be sent with the driver's next turn. Until that has been told
    /// by [`poll_sent`](Self::poll_sent) nothing else can be sent.
    pub(super) fn send_soon(&self, cx: &mut Context<'_>, buffers: &[IoSlice<'_>]) -> Result<usize> {
        /// Up to so many streams have little to send together.
        const FEW: usize = 3;

        if buffers.iter().map(|buffer| buffer.len()).sum::<usize>() > MOST {
            return Err(Error::Unsupported("sending much with the next turn"));
        }
        let reserved = self.reserve_sending()?;
        Core::with(|core| {
            core.check_cancelled()?;
            // One of few gains nothing.
            let is_lone = core.capabilities().attempts_sends && core.streams().get() <= FEW;
            if is_lone { Err(Error::Unsupported("sending with the next turn")) } else { Ok(()) }
        })?;
        let count = self.soon.take_over(self.descriptor(), buffers);
        if count > 0 {
            // Also should a waker panic there is a piece now. Whatever is known of it already is told by the next call.
            std::mem::forget(reserved);
            self.soon.begin(cx);
        }
        Ok(count)
    }

    /// Waits until all is sent that was taken over.
    pub(super) fn poll_sent(&self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.soon.poll(cx, Wake::Always).map(|answer| self.judge_taken_over(answer))
    }

    /// Whether all is sent that was taken over.
    pub(super) fn poll_sent_or_sending(&self, cx: &mut Context<'_>) -> Poll<Result<bool>> {
        Poll::Ready(match self.soon.poll(cx, Wake::IfNeeded) {
            Poll::Pending => Ok(false),
            Poll::Ready(answer) => self.judge_taken_over(answer).map(|()| true),
        })
    }

    fn judge_taken_over(&self, answer: Option<Answer>) -> Result<()> {
        let Some(answer) = answer else { return Ok(()) };
        // After a cancellation it goes on with the next call.
        if !matches!(answer, Err(Refusal::Cancelled)) {
            self.sending.set(false);
        }
        self.judge_sent(answer).map(drop)
    }

    pub(super) async fn send_eof(&self) -> Result<()> {
        let _reserved = Reserved::of(&self.sending, SENDING)?;
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
