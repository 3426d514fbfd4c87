//! Receiving from a pipe.
//!
//! # Contract
//! The operation belongs to the stream, not to the future that waits for it: cancelling or dropping that only takes its
//! waiter off, and the next call adopts the operation in flight, so no byte is lost. While it is in flight its buffer and
//! its descriptor stay with the stream; a stream that goes before hands both to an orphan.

use super::into_blocking;
use crate::{
    error::{Error, Result},
    runtime::{
        Answer, Core, Descriptor, Disposer, Operation, Outcome, Payload, Refusal, WaitKey, WaitKind,
        WaitReason, WaitState, abandon,
    },
};
use anyio_driver::{Chunk, Completion, Driver, Held, IoBuf, IoBufMut, Op};
use std::{
    cell::{Cell, RefCell},
    fmt,
    future::{Future, poll_fn},
    marker::PhantomData,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll},
};

const RECEIVING: Error = Error::BusyResource("receiving from this stream");

/// The end of a pipe that gives bytes.
pub(crate) struct Receiving {
    descriptor: Descriptor,
    operation: Cell<Option<WaitKey>>,
    /// The buffer of the operation in flight.
    buffer: RefCell<Option<Chunk>>,
    /// What is left of a chunk that was larger than asked for.
    rest: RefCell<Option<Chunk>>,
    ended: Cell<bool>,
    busy: Cell<bool>,
}

impl Receiving {
    pub(crate) fn new(pipe: OwnedFd) -> Self {
        Self::of(Descriptor::new(pipe))
    }

    fn of(descriptor: Descriptor) -> Self {
        Self {
            descriptor,
            operation: Cell::new(None),
            buffer: RefCell::new(None),
            rest: RefCell::new(None),
            ended: Cell::new(false),
            busy: Cell::new(false),
        }
    }

    /// Receives some bytes, as many as come at once.
    pub(crate) fn receive(&self) -> Receive<'_> {
        Receive { receiving: self, phase: Phase::New, _thread: PhantomData }
    }

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
        self.rest.replace(Some(chunk));
        Ok(Some(first))
    }

    /// Receives into a buffer of the caller's; 0 is the end of the stream, or a buffer without room.
    pub(crate) async fn receive_into<B: IoBufMut>(&self, buffer: B) -> (Result<usize>, B) {
        if buffer.capacity() == 0 {
            return (Ok(0), buffer);
        }
        if self.has_begun() {
            return self.receive_copied(buffer).await;
        }
        if self.busy.replace(true) {
            return (Err(RECEIVING), buffer);
        }
        let _reserved = Reserved(&self.busy);
        let (result, buffer) =
            Operation::new(ReceiveInto { descriptor: self.descriptor.clone(), buffer: Held::new(buffer) })
                .await;
        if matches!(result, Ok(0)) {
            self.ended.set(true);
        }
        (result, buffer)
    }

    /// Whether bytes are here, or an operation is in flight that will bring them, so that a receive into a buffer of the
    /// caller's would overtake them.
    fn has_begun(&self) -> bool {
        self.rest.borrow().is_some() || self.operation.get().is_some() || self.ended.get()
    }

    async fn receive_copied<B: IoBufMut>(&self, mut buffer: B) -> (Result<usize>, B) {
        match self.receive_at_most(buffer.capacity()).await {
            Ok(Some(chunk)) => {
                // SAFETY: the chunk is no longer than the buffer's room, and the two do not overlap, since both are
                // owned.
                unsafe {
                    buffer.pointer_mut().copy_from_nonoverlapping(chunk.pointer(), chunk.len());
                    buffer.set_filled(chunk.len());
                }
                (Ok(chunk.len()), buffer)
            }
            Ok(None) => (Ok(0), buffer),
            Err(error) => (Err(error), buffer),
        }
    }

    fn begin(&self, core: &Core) -> WaitKey {
        let mut buffer = core.driver().pool().take();
        let (pointer, length) = (buffer.pointer_mut(), buffer.capacity() as u32);
        self.buffer.replace(Some(buffer));
        let wait = core.waits().insert(WaitKind::Kept, WaitReason::Receive);
        self.operation.set(Some(wait));
        let op = Op::Read { fd: self.descriptor.raw(), pointer, length, offset: None };
        // SAFETY: the buffer and the descriptor stay until the operation has ended, and are not touched meanwhile: see
        // the contract.
        unsafe { core.submit(wait, op) };
        wait
    }

    /// Makes bytes, the end of the stream, or an error of what the operation has brought. `None` if it only ended.
    fn accept(&self, outcome: Outcome) -> Option<Result<Option<Chunk>>> {
        let buffer = self.buffer.take();
        let Ok(length) = usize::try_from(outcome.result) else {
            return match -outcome.result {
                libc::ECANCELED | libc::EINTR => None,
                number => Some(Err(Refusal::System(number).on_stream("read"))),
            };
        };
        let Some(mut buffer) = buffer.filter(|_| length > 0) else {
            self.ended.set(true);
            return Some(Ok(None));
        };
        // SAFETY: the kernel has filled so many bytes of it.
        unsafe { buffer.set_filled(length) };
        Some(Ok(Some(buffer)))
    }

    /// What has come and was not given out yet.
    fn take_ready(&self, core: &Core) -> Option<Result<Option<Chunk>>> {
        if let Some(rest) = self.rest.take() {
            return Some(Ok(Some(rest)));
        }
        if let Some(wait) = self.operation.get() {
            if !core.waits().is_done(wait) {
                return None;
            }
            let outcome = core.waits().outcome(wait);
            core.waits().remove(wait);
            self.operation.set(None);
            return self.accept(outcome);
        }
        self.ended.get().then_some(Ok(None))
    }

    /// Closes the pipe, after the operation in flight has been stopped. What it had brought is dropped.
    pub(crate) async fn close(self) -> Result<()> {
        poll_fn(|cx| {
            Core::with(|core| {
                self.rest.take();
                drop(self.take_ready(core));
                let Some(wait) = self.operation.get() else { return Poll::Ready(()) };
                core.waits().set_waker(wait, cx.waker());
                if core.waits().ask_cancel(wait) {
                    core.cancel_operation(wait.token());
                }
                Poll::Pending
            })
        })
        .await;
        let descriptor = self.descriptor.clone();
        drop(self);
        Ok(descriptor.close().await?)
    }

    /// Gives the bare pipe away, if nothing was received that its owner has not seen.
    pub(crate) fn into_owned(self) -> Result<OwnedFd, Self> {
        if self.has_begun() && !self.ended.get() {
            return Err(self);
        }
        let descriptor = self.descriptor.clone();
        drop(self);
        into_blocking(descriptor).map_err(Self::of)
    }
}

impl AsFd for Receiving {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

impl fmt::Debug for Receiving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.descriptor, f)
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if let Some(wait) = self.operation.take() {
            abandon(wait, Left { _descriptor: self.descriptor.clone(), _buffer: self.buffer.take() });
        }
    }
}

/// What a receive in flight needs when its stream goes.
struct Left {
    _descriptor: Descriptor,
    _buffer: Option<Chunk>,
}

impl Disposer for Left {
    fn dispose_one_of_many(&mut self, _core: &Core, _completion: &Completion) {}

    fn dispose(self: Box<Self>, _core: &Core, _completion: &Completion) {}
}

/// Receives into a buffer of the caller's.
struct ReceiveInto<B> {
    descriptor: Descriptor,
    buffer: Held<B>,
}

// SAFETY: the descriptor is counted, and a held buffer stays where it is.
unsafe impl<B: IoBufMut> Payload for ReceiveInto<B> {
    const REASON: WaitReason = WaitReason::Receive;

    type Output = (Result<usize>, B);

    fn op(&mut self) -> Op {
        let buffer = self.buffer.get_mut();
        Op::Read {
            fd: self.descriptor.raw(),
            pointer: buffer.pointer_mut(),
            length: u32::try_from(buffer.capacity()).unwrap_or(u32::MAX),
            offset: None,
        }
    }

    fn finish(mut self, answer: Answer) -> (Result<usize>, B) {
        let result = match answer {
            Ok(count) => {
                // SAFETY: the kernel has filled so many bytes.
                unsafe { self.buffer.get_mut().set_filled(count as usize) };
                Ok(count as usize)
            }
            Err(refusal) => Err(refusal.on_stream("read")),
        };
        (result, self.buffer.into_inner())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    /// The stream is reserved for this future.
    Begun,
    /// The future waits for this operation.
    Waiting(WaitKey),
    Over,
}

/// Receives some bytes. Only takes its waiter off when it is dropped.
pub(crate) struct Receive<'a> {
    receiving: &'a Receiving,
    phase: Phase,
    _thread: PhantomData<*const ()>,
}

impl Receive<'_> {
    /// The future is no longer the one that waits.
    fn unhook(&mut self, core: &Core) {
        if let Phase::Waiting(wait) = self.phase
            && core.waits().is_current(wait)
        {
            drop(core.waits().unhook(wait));
        }
        self.phase = Phase::Begun;
    }

    fn end<T>(&mut self, result: Result<T>) -> Poll<Result<T>> {
        self.receiving.busy.set(false);
        self.phase = Phase::Over;
        Poll::Ready(result)
    }
}

impl Future for Receive<'_> {
    type Output = Result<Option<Chunk>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        Core::with(|core| {
            let receiving = this.receiving;
            match this.phase {
                Phase::New if receiving.busy.replace(true) => return Poll::Ready(Err(RECEIVING)),
                Phase::New => this.phase = Phase::Begun,
                Phase::Over => panic!("a receive was polled after its end"),
                Phase::Begun | Phase::Waiting(_) => {}
            }
            if this.phase == Phase::Begun {
                if let Err(cancelled) = core.check_cancelled() {
                    return core.poll_delivery(cx).map(|()| Err(cancelled.into()));
                }
                if core.poll_immediate(cx).is_pending() {
                    return Poll::Pending;
                }
            }
            loop {
                if let Some(ready) = receiving.take_ready(core) {
                    this.unhook(core);
                    return this.end(ready);
                }
                let wait = receiving.operation.get().unwrap_or_else(|| receiving.begin(core));
                if this.phase == Phase::Waiting(wait) && core.waits().state(wait) == WaitState::Cancelled {
                    this.unhook(core);
                    if let Err(cancelled) = core.check_cancelled() {
                        return this.end(Err(cancelled.into()));
                    }
                }
                core.waits().set_waker(wait, cx.waker());
                core.link_to_scope(wait);
                this.phase = Phase::Waiting(wait);
                if !core.waits().is_done(wait) {
                    return Poll::Pending;
                }
            }
        })
    }
}

impl Drop for Receive<'_> {
    fn drop(&mut self) {
        if matches!(self.phase, Phase::Begun | Phase::Waiting(_)) {
            Core::try_with(|core| self.unhook(core));
            self.receiving.busy.set(false);
        }
    }
}

/// Says that one task uses the stream, until it is dropped.
struct Reserved<'a>(&'a Cell<bool>);

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
