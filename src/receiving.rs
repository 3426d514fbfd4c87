//! Receiving bytes from sockets and pipes, into the runtime's buffers or the caller's.
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

mod into;
mod receive;

pub(crate) use into::MOST;
pub(crate) use receive::{Keeper, Receive, poll_receive};

use crate::{
    error::{Error, Result},
    lowlevel::checkpoint_if_cancelled,
    reserved::Reserved,
    runtime::{
        Answer, Core, Descriptor, Disposer, Next, Outcome, Refusal, WaitKey, WaitReason, abandon, calls,
    },
};
use anyio_driver::{BufferId, Chunk, Completion, CompletionFlags, Driver, IoBufMut, Op, planted};
use std::{
    cell::Cell,
    future::poll_fn,
    marker::PhantomData,
    os::fd::RawFd,
    task::{Context, Poll},
};

const RECEIVING: &str = "receiving from this stream";

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

/// What has come, and where it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Brought {
    /// What is left of the chunk before, in `rest`.
    Rest,
    /// So many bytes, in the buffer that the stream has taken for them.
    Here(u32),
    /// So many bytes, in a buffer of the driver's.
    Chosen(BufferId, u32),
    End,
}

/// What is received from.
pub(crate) trait Source: 'static {
    /// What the system's operation is called.
    const OPERATION: &'static str;
    /// Whether the driver can choose the buffers.
    const POOLED: bool;

    /// Receives once.
    fn op(fd: RawFd, pointer: *mut u8, length: u32) -> Op;
}

/// A connected socket.
pub(crate) struct FromSocket;

impl Source for FromSocket {
    const OPERATION: &'static str = "receive";
    const POOLED: bool = true;

    #[inline]
    fn op(fd: RawFd, pointer: *mut u8, length: u32) -> Op {
        Op::Receive { fd, pointer, length, flags: 0 }
    }
}

/// The reading end of a pipe.
pub(crate) struct FromPipe;

impl Source for FromPipe {
    const OPERATION: &'static str = "read";
    const POOLED: bool = false;

    fn op(fd: RawFd, pointer: *mut u8, length: u32) -> Op {
        Op::Read { fd, pointer, length, offset: None }
    }
}

/// The side of a stream that gives bytes.
pub(crate) struct Receiving<S: Source> {
    descriptor: Descriptor,
    operation: Cell<Option<(WaitKey, Manner)>>,
    /// The buffer of a single receive in flight.
    buffer: Cell<Option<Chunk>>,
    /// What is left of a chunk that was larger than asked for.
    rest: Cell<Option<Chunk>>,
    has_rest: Cell<bool>,
    ended: Cell<bool>,
    /// The error with which the link was lost. The system tells it only once, and to whoever asks first.
    broken: Cell<Option<i32>>,
    busy: Cell<bool>,
    /// The error with which a send found the link lost.
    lost: Cell<Option<i32>>,
    /// Set when the ring of buffers was found empty: the next receive brings its own.
    starved: Cell<bool>,
    _source: PhantomData<S>,
}

impl<S: Source> Receiving<S> {
    pub(crate) fn new(descriptor: Descriptor) -> Self {
        if S::POOLED {
            Core::try_with(|core| core.streams().set(core.streams().get() + 1));
        }
        Self {
            descriptor,
            operation: Cell::new(None),
            buffer: Cell::new(None),
            rest: Cell::new(None),
            has_rest: Cell::new(false),
            ended: Cell::new(false),
            broken: Cell::new(None),
            lost: Cell::new(None),
            busy: Cell::new(false),
            starved: Cell::new(false),
            _source: PhantomData,
        }
    }

    pub(crate) fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Receives some bytes, as many as come at once.
    #[inline]
    pub(crate) fn receive(&self) -> Receive<&Self> {
        Receive::new(self)
    }

    /// The same for those who poll.
    #[inline]
    pub(crate) fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        poll_receive(self, cx)
    }

    /// Whether bytes are here, or an operation is in flight that will bring them, so that a receive into a buffer of the
    /// caller's would overtake them.
    pub(crate) fn has_begun(&self) -> bool {
        self.holds_bytes() || self.ended.get() || self.broken.get().is_some()
    }

    /// Whether bytes are here that nobody has taken, or may be any moment.
    pub(crate) fn holds_bytes(&self) -> bool {
        self.has_rest.get() || self.operation.get().is_some()
    }

    fn keep_rest(&self, rest: Chunk) {
        self.has_rest.set(true);
        self.rest.set(Some(rest));
    }

    fn take_rest(&self) -> Option<Chunk> {
        self.has_rest.set(false);
        self.rest.take()
    }

    /// Notes the error with which a send found the link lost. What had arrived before can still be received; then comes
    /// this error, although the system would say that the stream has ended well.
    pub(crate) fn note_lost(&self, number: i32) {
        // With `EPIPE` the other side had said that it sends no more, so an end is an end.
        if number != libc::EPIPE && self.broken.get().is_none() {
            self.lost.set(Some(number));
        }
    }

    /// What the answer to a receive means for this stream: the number of bytes, 0 at the end.
    pub(crate) fn judge(&self, answer: Answer) -> Result<usize> {
        match answer {
            Ok(0) => match self.lost.get() {
                Some(number) => self.judge(Err(Refusal::System(number))),
                None => {
                    if planted("half-close taken for the end") {
                        let _ = calls::shut_down(&self.descriptor, std::net::Shutdown::Both);
                    }
                    self.ended.set(true);
                    Ok(0)
                }
            },
            Ok(count) => Ok(count as usize),
            Err(refusal) => {
                let error = refusal.on_stream(S::OPERATION);
                if let (Refusal::System(number), Error::BrokenResource(_), false) =
                    (refusal, &error, planted("lost link forgotten"))
                {
                    self.broken.set(Some(number));
                }
                Err(error)
            }
        }
    }

    /// Marks this side as in use by one task as long as the guard lives.
    pub(crate) fn reserve(&self) -> Result<Reserved<'_>> {
        Reserved::of(&self.busy, RECEIVING)
    }

    /// What the operation has brought: bytes, the end of the stream, or an error. `None` if it only ended.
    #[inline(always)]
    fn accept(&self, core: &Core, outcome: Outcome, manner: Manner) -> Option<Result<Brought>> {
        match u32::try_from(outcome.result) {
            Err(_) | Ok(0) => self.accept_nothing(core, outcome, manner),
            Ok(length) if manner == Manner::Single => Some(Ok(Brought::Here(length))),
            Ok(length) => Some(Ok(Brought::Chosen(outcome.buffer, length))),
        }
    }

    /// What an operation means that has brought no bytes: the end of the stream or an error. `None` if it only ended.
    #[cold]
    fn accept_nothing(&self, core: &Core, outcome: Outcome, manner: Manner) -> Option<Result<Brought>> {
        drop(self.buffer.take());
        if has_only_ended(outcome, manner) {
            if outcome.result == -libc::ENOBUFS {
                core.note_buffer_shortage();
                self.starved.set(true);
            }
            return None;
        }
        let answer = match -outcome.result {
            0 => Ok(0),
            libc::ENOBUFS if planted("shortage of buffers taken for the end") => Ok(0),
            number => Err(Refusal::System(number)),
        };
        Some(self.judge(answer).map(|_| Brought::End))
    }

    /// Takes what the operation in flight has brought.
    #[inline(always)]
    fn take_brought(&self, core: &Core, wait: WaitKey, manner: Manner) -> Option<Result<Brought>> {
        let outcome = match core.waits().take_next(wait) {
            Next::Nothing => return None,
            Next::Result(outcome) => outcome,
            Next::Last(outcome) => {
                self.operation.set(None);
                outcome
            }
        };
        self.accept(core, outcome, manner)
    }

    /// Stops the operation in flight and waits for its end, or until it has brought something, which then is to be taken.
    ///
    /// # Errors
    /// If another task is receiving, or the scope is cancelled.
    pub(crate) async fn pause(&self) -> Result<()> {
        let _reserved = self.reserve()?;
        checkpoint_if_cancelled().await?;
        poll_fn(|cx| {
            Core::with(|core| {
                let Some((wait, manner)) = self.operation.get() else { return Poll::Ready(()) };
                if core.waits().has_queued(wait) {
                    return Poll::Ready(());
                }
                match core.waits().outcome(wait) {
                    Some(outcome)
                        if has_only_ended(outcome, manner)
                            && (outcome.result == -libc::ECANCELED || !planted("end taken for bytes")) =>
                    {
                        let nothing = self.take_brought(core, wait, manner);
                        debug_assert!(nothing.is_none());
                        Poll::Ready(())
                    }
                    Some(_) => Poll::Ready(()),
                    None => self.poll_end(core, wait, cx),
                }
            })
        })
        .await;
        Ok(())
    }

    /// Begins a receive into buffers that are chosen as something comes.
    #[inline(never)]
    fn begin_chosen(&self, core: &Core, manner: Manner) -> (WaitKey, bool) {
        let fd = self.descriptor.raw();
        let op = match manner {
            Manner::Repeated => Op::ReceiveMultishot { fd },
            _ => Op::ReceivePooled { fd },
        };
        // SAFETY: there is no buffer.
        unsafe { self.submit(core, manner, op) }
    }

    /// # Safety
    /// It is a receive from this stream in this manner, into this stream's buffer if it needs one.
    #[inline(always)]
    unsafe fn submit(&self, core: &Core, manner: Manner, op: Op) -> (WaitKey, bool) {
        let wait = core.waits().insert_kept(WaitReason::Receive, self.descriptor.raw());
        self.operation.set(Some((wait, manner)));
        // SAFETY: the descriptor and, for a single receive, the buffer stay here until the operation has ended; a stream
        // that goes before hands both over to an orphan. Neither is touched meanwhile.
        let answered = unsafe { core.submit(wait, op) };
        (wait, answered)
    }

    /// Asks for the operation's end.
    fn poll_end(&self, core: &Core, wait: WaitKey, cx: &Context<'_>) -> Poll<()> {
        core.waits().set_waker(wait, cx.waker());
        if core.waits().ask_cancel(wait) {
            core.cancel_operation(wait.token());
        }
        Poll::Pending
    }

    /// Stops the operation in flight and waits for its end. What it had brought is dropped.
    pub(crate) async fn stop(&self) {
        poll_fn(|cx| {
            Core::with(|core| {
                drop(self.take_rest());
                while let Some(Ok(ready)) = self.take_ready(core) {
                    if self.give(core, ready).is_none() {
                        break;
                    }
                }
                match self.operation.get() {
                    Some((wait, _)) => self.poll_end(core, wait, cx),
                    None => Poll::Ready(()),
                }
            })
        })
        .await;
    }
}

impl<S: Source> Keeper for Receiving<S> {
    type Item = Option<Chunk>;
    type Ready = Brought;

    const DOING: &'static str = RECEIVING;

    #[inline]
    fn busy(&self) -> &Cell<bool> {
        &self.busy
    }

    #[inline]
    fn in_flight(&self) -> Option<WaitKey> {
        self.operation.get().map(|(wait, _)| wait)
    }

    #[inline(always)]
    fn begin(&self, core: &Core) -> (WaitKey, bool) {
        let capabilities = core.capabilities();
        let manner = if !S::POOLED {
            Manner::Single
        } else if capabilities.prefers_pooled_receive {
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
        match manner {
            Manner::Single => {
                let mut buffer = core.driver().pool().take();
                let (pointer, length) = (buffer.pointer_mut(), buffer.capacity() as u32);
                self.buffer.set(Some(buffer));
                // SAFETY: the buffer is here.
                unsafe { self.submit(core, manner, S::op(fd, pointer, length)) }
            }
            Manner::Pooled | Manner::Repeated => self.begin_chosen(core, manner),
        }
    }

    #[inline(always)]
    fn give(&self, core: &Core, brought: Brought) -> Option<Chunk> {
        // What has come is likely to be answered.
        self.descriptor.prefetch();
        match brought {
            Brought::Here(length) => {
                let mut buffer = self.buffer.take().expect("a single receive has its buffer");
                // SAFETY: the kernel has filled so many bytes of it, as `accept` has just said.
                unsafe { buffer.set_filled(length as usize) };
                Some(buffer)
            }
            Brought::Chosen(buffer, length) => Some(core.driver_mut().take_buffer(buffer, length as usize)),
            Brought::Rest => self.take_rest(),
            Brought::End => None,
        }
    }

    #[inline(always)]
    fn take_ready(&self, core: &Core) -> Option<Result<Brought>> {
        if self.has_rest.get() {
            return Some(Ok(Brought::Rest));
        }
        if let Some((wait, manner)) = self.operation.get() {
            return self.take_brought(core, wait, manner);
        }
        if self.ended.get() {
            return Some(Ok(Brought::End));
        }
        self.broken.get().map(|number| Err(Refusal::System(number).on_stream(S::OPERATION)))
    }
}

impl<S: Source> Drop for Receiving<S> {
    fn drop(&mut self) {
        if S::POOLED {
            Core::try_with(|core| core.streams().set(core.streams().get().saturating_sub(1)));
        }
        if let Some((wait, _)) = self.operation.take() {
            let buffer = self.buffer.take();
            abandon(wait, LeftReceive { _descriptor: self.descriptor.clone(), _buffer: buffer });
        }
    }
}

/// Whether an operation has brought neither bytes nor the end of the stream nor an error of it: it was stopped because its
/// reader did not keep up, or interrupted, or found no buffer.
fn has_only_ended(outcome: Outcome, manner: Manner) -> bool {
    match -outcome.result {
        libc::EINTR => !planted("interrupted receive surfaces"),
        libc::ECANCELED => true,
        libc::ENOBUFS => manner == Manner::Repeated && !planted("shortage of buffers taken for the end"),
        _ => false,
    }
}

/// What a receive in flight needs when its stream goes.
struct LeftReceive {
    _descriptor: Descriptor,
    _buffer: Option<Chunk>,
}

impl Disposer for LeftReceive {
    fn dispose_one_of_many(&mut self, core: &Core, completion: &Completion) {
        if completion.flags.contains(CompletionFlags::BUFFER) && !planted("buffer not given back") {
            drop(core.driver_mut().take_buffer(completion.buffer, completion.result.max(0) as usize));
        }
    }

    fn dispose(mut self: Box<Self>, core: &Core, completion: &Completion) {
        self.dispose_one_of_many(core, completion);
    }
}
