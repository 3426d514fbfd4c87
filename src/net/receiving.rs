//! Receiving into the runtime's buffers.
//!
//! The operation belongs to the stream, not to the future that waits for it. Cancelling or dropping that future only takes
//! its waiter off; the next call adopts the operation in flight, so no byte is lost and the kernel is not asked for
//! anything.
//!
//! How to receive is decided each time an operation is begun. With few streams open a single receive into a buffer that
//! was just used is best, because it is still in the processor's cache. With many, one operation that goes on and lets the
//! kernel choose from a ring of buffers is, because it saves a submission for each receive and idle streams tie no buffers
//! up. (Deciding by the number of completions in a turn was tried, and swings.) A stream whose reader does not keep up has
//! its operation stopped when some results are queued, and begins again when they have been taken.

use crate::{
    error::{Error, Result},
    runtime::{
        Answer, Core, Descriptor, Disposer, Outcome, Refusal, WaitKey, WaitKind, WaitReason, WaitState,
        abandon,
    },
};
use anyio_driver::{Chunk, Completion, CompletionFlags, Driver, IoBuf, IoBufMut, Op};
use std::{
    cell::{Cell, RefCell},
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll},
};

/// Up to so many open streams receive one by one. 96 buffers of 16 KiB fit into the caches of common processors.
const FEW_STREAMS: usize = 96;

/// How the operation in flight receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Once, into the buffer that the stream has taken for it.
    Single,
    /// Once, into a buffer that the driver takes when there is something to receive.
    Pooled,
    /// Again and again, into buffers that the kernel chooses.
    Repeated,
}

/// The receiving side of a socket.
pub(super) struct Receiving {
    descriptor: Descriptor,
    operation: Cell<Option<(WaitKey, Manner)>>,
    /// The buffer of a single receive in flight.
    buffer: RefCell<Option<Chunk>>,
    /// What is left of a chunk that was larger than asked for.
    rest: RefCell<Option<Chunk>>,
    ended: Cell<bool>,
    /// The error with which the link was lost. The system tells it only once, and to whoever asks first.
    broken: Cell<Option<i32>>,
    busy: Cell<bool>,
    /// The error with which a send found the link lost.
    lost: Cell<Option<i32>>,
    /// Set when the ring of buffers was found empty: the next receive brings its own.
    starved: Cell<bool>,
}

impl Receiving {
    pub(super) fn new(descriptor: Descriptor) -> Self {
        Core::try_with(|core| core.streams().set(core.streams().get() + 1));
        Self {
            descriptor,
            operation: Cell::new(None),
            buffer: RefCell::new(None),
            rest: RefCell::new(None),
            ended: Cell::new(false),
            broken: Cell::new(None),
            lost: Cell::new(None),
            busy: Cell::new(false),
            starved: Cell::new(false),
        }
    }

    /// Receives some bytes, as many as come at once.
    #[inline]
    pub(super) fn receive(&self) -> Receive<'_> {
        Receive { receiving: self, phase: Phase::New, _thread: PhantomData }
    }

    /// Receives at most so many bytes.
    pub(super) async fn receive_at_most(&self, max_bytes: usize) -> Result<Option<Chunk>> {
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

    /// Whether bytes are here, or an operation is in flight that will bring them, so that a receive into a buffer of the
    /// caller's would overtake them.
    pub(super) fn has_begun(&self) -> bool {
        self.holds_bytes() || self.ended.get() || self.broken.get().is_some()
    }

    /// Whether bytes are here that nobody has taken, or may be any moment.
    pub(super) fn holds_bytes(&self) -> bool {
        self.rest.borrow().is_some() || self.operation.get().is_some()
    }

    /// Notes the error with which a send found the link lost. What had arrived before can still be received; then comes
    /// this error, although the system would say that the stream has ended well.
    pub(super) fn note_lost(&self, number: i32) {
        // With `EPIPE` the other side had said that it sends no more, so an end is an end.
        if number != libc::EPIPE && self.broken.get().is_none() {
            self.lost.set(Some(number));
        }
    }

    /// What the answer to a receive means for this stream: the number of bytes, 0 at the end.
    pub(super) fn judge(&self, answer: Answer) -> Result<usize> {
        match answer {
            Ok(0) => match self.lost.get() {
                Some(number) => self.judge(Err(Refusal::System(number))),
                None => {
                    self.ended.set(true);
                    Ok(0)
                }
            },
            Ok(count) => Ok(count as usize),
            Err(refusal) => {
                let error = refusal.on_stream("receive");
                if let (Refusal::System(number), Error::BrokenResource(_)) = (refusal, &error) {
                    self.broken.set(Some(number));
                }
                Err(error)
            }
        }
    }

    /// Fills a caller's buffer from what a receive into the runtime's buffers brings.
    pub(super) async fn receive_copied<B: IoBufMut>(&self, mut buffer: B) -> (Result<usize>, B) {
        if buffer.capacity() == 0 {
            return (Ok(0), buffer);
        }
        match self.receive_at_most(buffer.capacity()).await {
            Ok(Some(chunk)) => {
                // SAFETY: the chunk is no longer than the buffer's room, and the two do not overlap, since both are owned.
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

    /// Marks this side as in use by one task as long as the guard lives.
    pub(super) fn reserve(&self) -> Result<Reserved<'_>> {
        Reserved::of(&self.busy, "receiving from this stream")
    }

    /// Begins a receive.
    fn begin(&self, core: &Core) -> WaitKey {
        let capabilities = core.capabilities();
        let manner = if capabilities.prefers_pooled_receive {
            Manner::Pooled
        } else if capabilities.multishot_receive
            && core.streams().get() > FEW_STREAMS
            && !self.starved.replace(false)
        {
            Manner::Repeated
        } else {
            Manner::Single
        };
        let fd = self.descriptor.raw();
        let op = match manner {
            Manner::Pooled => Op::ReceivePooled { fd },
            Manner::Repeated => Op::ReceiveMultishot { fd },
            Manner::Single => {
                let mut buffer = core.driver().pool().take();
                let (pointer, length) = (buffer.pointer_mut(), buffer.capacity() as u32);
                self.buffer.replace(Some(buffer));
                Op::Receive { fd, pointer, length, flags: 0 }
            }
        };
        let wait = core.waits().insert(WaitKind::Kept, WaitReason::Receive);
        self.operation.set(Some((wait, manner)));
        // SAFETY: the descriptor and, for a single receive, the buffer stay here until the operation has ended; a stream
        // that goes before hands both over to an orphan. Neither is touched meanwhile.
        unsafe { core.submit(wait, op) };
        wait
    }

    /// Makes bytes, the end of the stream, or an error of what the operation has brought. `None` if it only ended.
    fn accept(&self, core: &Core, outcome: Outcome, manner: Manner) -> Option<Result<Option<Chunk>>> {
        let buffer = self.buffer.take();
        let answer = match u32::try_from(outcome.result) {
            Ok(length) => Ok(length),
            Err(_) => match -outcome.result {
                // Stopped because its reader did not keep up, or interrupted.
                libc::ECANCELED | libc::EINTR => return None,
                libc::ENOBUFS if manner == Manner::Repeated => {
                    self.starved.set(true);
                    return None;
                }
                number => Err(Refusal::System(number)),
            },
        };
        let length = match self.judge(answer) {
            Ok(0) => return Some(Ok(None)),
            Ok(length) => length,
            Err(error) => return Some(Err(error)),
        };
        let chunk = match (manner, buffer) {
            (Manner::Single, Some(mut buffer)) => {
                // SAFETY: the kernel has filled so many bytes of it.
                unsafe { buffer.set_filled(length) };
                buffer
            }
            _ => core.driver_mut().take_buffer(outcome.buffer, length),
        };
        Some(Ok(Some(chunk)))
    }

    /// What has come and was not given out yet.
    fn take_ready(&self, core: &Core) -> Option<Result<Option<Chunk>>> {
        if let Some(rest) = self.rest.take() {
            return Some(Ok(Some(rest)));
        }
        if let Some((wait, manner)) = self.operation.get() {
            let waits = core.waits();
            if let Some(outcome) = waits.pop_result(wait) {
                return self.accept(core, outcome, manner);
            }
            if waits.is_done(wait) {
                let outcome = waits.outcome(wait);
                waits.remove(wait);
                self.operation.set(None);
                return self.accept(core, outcome, manner);
            }
            return None;
        }
        if self.ended.get() {
            return Some(Ok(None));
        }
        self.broken.get().map(|number| Err(Refusal::System(number).on_stream("receive")))
    }

    /// Stops the operation in flight and waits for its end. What it had brought is dropped.
    pub(super) async fn stop(&self) {
        std::future::poll_fn(|cx| {
            Core::with(|core| {
                self.rest.take();
                while self.take_ready(core).is_some_and(|ready| matches!(ready, Ok(Some(_)))) {}
                let Some((wait, _)) = self.operation.get() else { return Poll::Ready(()) };
                core.waits().set_waker(wait, cx.waker());
                if core.waits().ask_cancel(wait) {
                    core.cancel_operation(wait.token());
                }
                Poll::Pending
            })
        })
        .await;
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        Core::try_with(|core| core.streams().set(core.streams().get().saturating_sub(1)));
        if let Some((wait, _)) = self.operation.take() {
            let buffer = self.buffer.take();
            abandon(wait, LeftReceive { _descriptor: self.descriptor.clone(), _buffer: buffer });
        }
    }
}

/// What a receive in flight needs when its stream goes.
struct LeftReceive {
    _descriptor: Descriptor,
    _buffer: Option<Chunk>,
}

impl Disposer for LeftReceive {
    fn dispose_one_of_many(&mut self, core: &Core, completion: &Completion) {
        if completion.flags.contains(CompletionFlags::BUFFER) {
            drop(core.driver_mut().take_buffer(completion.buffer, completion.result.max(0) as usize));
        }
    }

    fn dispose(mut self: Box<Self>, core: &Core, completion: &Completion) {
        self.dispose_one_of_many(core, completion);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    New,
    /// This side is reserved for this future.
    Begun,
    /// The future waits for this operation.
    Waiting(WaitKey),
    Over,
}

/// Receives some bytes. Only takes its waiter off when it is dropped.
pub(super) struct Receive<'a> {
    receiving: &'a Receiving,
    phase: Phase,
    _thread: PhantomData<*const ()>,
}

impl Receive<'_> {
    /// The future is over, and another may receive.
    fn end(&mut self) {
        self.receiving.busy.set(false);
        self.phase = Phase::Over;
    }

    /// The future is no longer the one that waits.
    fn unhook(&mut self, core: &Core) {
        if let Phase::Waiting(wait) = self.phase
            && core.waits().is_current(wait)
        {
            drop(core.waits().unhook(wait));
        }
        self.phase = Phase::Begun;
    }
}

impl Future for Receive<'_> {
    type Output = Result<Option<Chunk>>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        Core::with(|core| {
            let receiving = this.receiving;
            match this.phase {
                Phase::New => {
                    if receiving.busy.replace(true) {
                        return Poll::Ready(Err(Error::BusyResource("receiving from this stream")));
                    }
                    this.phase = Phase::Begun;
                }
                Phase::Over => panic!("a receive was polled after its end"),
                Phase::Begun | Phase::Waiting(_) => {}
            }
            if this.phase == Phase::Begun {
                if let Err(cancelled) = core.check_cancelled() {
                    return core.poll_delivery(cx).map(|()| {
                        this.end();
                        Err(cancelled.into())
                    });
                }
                if core.poll_immediate(cx).is_pending() {
                    return Poll::Pending;
                }
            }
            loop {
                if let Some(ready) = receiving.take_ready(core) {
                    this.unhook(core);
                    this.end();
                    return Poll::Ready(ready);
                }
                let wait = match receiving.operation.get() {
                    Some((wait, _)) => wait,
                    None => receiving.begin(core),
                };
                core.waits().set_waker(wait, cx.waker());
                this.phase = Phase::Waiting(wait);
                let cancelled = core.follow_scope(wait) || core.waits().state(wait) == WaitState::Cancelled;
                if !cancelled {
                    return Poll::Pending;
                }
                // If it is not wanted any more, because a shield came up meanwhile, the wait begins again.
                this.unhook(core);
                if let Err(cancelled) = core.check_cancelled() {
                    this.end();
                    return Poll::Ready(Err(cancelled.into()));
                }
            }
        })
    }
}

impl Drop for Receive<'_> {
    #[inline]
    fn drop(&mut self) {
        if matches!(self.phase, Phase::Begun | Phase::Waiting(_)) {
            Core::try_with(|core| self.unhook(core));
            self.receiving.busy.set(false);
        }
    }
}

/// Says that one task uses one side of something, until it is dropped.
pub(super) struct Reserved<'a>(&'a Cell<bool>);

impl<'a> Reserved<'a> {
    /// Reserves it for this task.
    ///
    /// # Errors
    /// [`Error::BusyResource`] if another has.
    pub(super) fn of(busy: &'a Cell<bool>, doing: &'static str) -> Result<Self> {
        if busy.replace(true) {
            return Err(Error::BusyResource(doing));
        }
        Ok(Self(busy))
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}
