//! The driver.
//!
//! # Contract
//! Memory and descriptors of operations are the caller's to keep until the final completion, as
//! [`Driver::submit`] demands. What the driver itself lends to the kernel, the pool's buffers and the ring that
//! lists them, is freed only when no operation is in flight any more; otherwise it is leaked, because closing a
//! ring ends its operations only some time later.

use crate::{
    Options, Report, SetupError, Statistics,
    buffer_ring::BufferRing,
    entry::entry_of,
    fork::ProcessGeneration,
    kind,
    messages::Messages,
    operations::{CHOOSES, CHOOSES_MESSAGES, Cancel, Operations, PERSISTENT},
    probe::Support,
    queue::Queue,
    retries::Retries,
    ring::{Pause, Registration, Ring},
    setup::{STEPS, SetupFlags, set_up},
    tracker::Tracker,
    unpark::EventUnpark,
};
use anyio_driver::{
    BufferId, BufferPool, Capabilities, Chunk, Completion, CompletionFlags, Driver, Op, OpKind, Token,
    Unparker, Wait,
};
use io_uring::{
    opcode,
    squeue::{Entry, Flags},
    types::Fd,
};
use std::{
    fmt, io,
    os::fd::{AsRawFd, IntoRawFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

/// Does operations by way of one io_uring.
///
/// It belongs to the thread that made it. In a child of `fork` it refuses every turn and touches nothing.
///
/// Operations wait in a queue of the driver until the next turn, however many there are. Those that are cancelled
/// before then never reach the kernel. [`Op::Close`] is the one operation that can't be cancelled: the descriptor's
/// number is free after its completion.
///
/// Dropping the driver closes what it was asked to close in the background. Operations of the caller that have not
/// reached the kernel never do. If others are still in flight, the kernel ends them some time after the ring is
/// closed; until then it may use their memory, so the pool is leaked, and the caller must not free its own either.
pub struct UringDriver {
    pub(crate) ring: Ring,
    pub(crate) queue: Queue,
    pub(crate) tracker: Tracker,
    /// Completions that were made here, for the next turn.
    pub(crate) answered: Vec<Completion>,
    pub(crate) support: Support,
    pub(crate) spin: Option<Duration>,
    report: Report,
}

impl UringDriver {
    /// Sets up a ring with all that this kernel offers.
    ///
    /// # Errors
    /// If the kernel is too old, or it or a sandbox refuses. The error says which and what to do.
    pub fn new(options: &Options) -> Result<Self, SetupError> {
        Self::with_steps(options, &STEPS)
    }

    pub(crate) fn with_steps(options: &Options, steps: &[SetupFlags]) -> Result<Self, SetupError> {
        let process = ProcessGeneration::current()
            .map_err(|error| SetupError::from_resource("watching for forks", error))?;
        let setup = set_up(options, steps)?;
        let unpark = EventUnpark::new(setup.io.as_raw_fd(), process)
            .map_err(|error| SetupError::from_resource("making an eventfd", error))?;
        let size = options.buffer_size;
        let no_buffers = |error| SetupError::from_resource("making receive buffers", error);
        let buffers = match options.buffers {
            0 => None,
            // A kernel that does not know buffer rings refuses, and all else works.
            count => {
                let pool = BufferRing::pool_for(size, count).map_err(no_buffers)?;
                BufferRing::register(&setup.io, pool).ok()
            }
        };
        let support = Support::new(&setup, buffers.is_some());
        let buffers = match buffers {
            Some(buffers) => buffers,
            None => BufferRing::without_ring(BufferRing::pool_for(size, 0).map_err(no_buffers)?),
        };
        let registration = Registration::new(&setup.io);
        let report = Report::new(&setup, &support, registration.is_some(), buffers.pool());
        let ring = Ring::new(setup.io, registration, process);
        Ok(Self {
            ring,
            queue: Queue::default(),
            tracker: Tracker {
                operations: Operations::default(),
                retries: Retries::default(),
                buffers,
                message_buffers: None,
                messages: Messages::default(),
                unpark: Arc::new(unpark),
                unpark_armed: false,
                turn: 0,
                statistics: Statistics::default(),
            },
            answered: Vec::new(),
            support,
            spin: options.spin,
            report,
        })
    }

    /// What was found at set-up: flags, features, operations and sizes.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// What this driver has counted so far.
    pub fn statistics(&self) -> Statistics {
        self.tracker.statistics
    }

    /// How many completions came of operations the driver does not know (any more). Always 0 unless there is a bug.
    pub fn stale_completions(&self) -> u64 {
        self.tracker.statistics.stale_completions
    }

    /// The buffers for messages, which are set up when they are first asked for. Without a ring, if the kernel does not
    /// know such or refuses.
    #[inline]
    fn message_buffers(&mut self) -> &mut BufferRing {
        let Self { tracker, ring, support, .. } = self;
        tracker.message_buffers.get_or_insert_with(|| {
            let registered = support.multishot_receive.then(|| BufferRing::register_messages(ring.io()));
            match registered {
                Some(Ok(buffers)) => buffers,
                _ => BufferRing::messages_without_ring(),
            }
        })
    }

    /// Queues an entry whose success nobody waits for.
    pub(crate) fn push_quiet(&mut self, entry: Entry, token: Token) {
        let flags = if self.support.skip_success { Flags::SKIP_SUCCESS } else { Flags::empty() };
        self.queue.push(entry.flags(flags).user_data(token.to_bits()));
    }

    /// Asks the kernel to cancel a submitted operation.
    pub(crate) fn push_cancel(&mut self, token: Token) {
        let entry = opcode::AsyncCancel::new(token.to_bits()).build();
        self.push_quiet(entry, token.with_kind(kind::CANCEL));
    }

    fn answer(&mut self, token: Token, result: i32, flags: CompletionFlags) {
        self.answered.push(Completion { flags, ..Completion::new(token, result) });
    }

    #[cold]
    fn refuse(&mut self, token: Token) {
        self.tracker.operations.start_answered(token);
        self.answer(token, -libc::EOPNOTSUPP, CompletionFlags::UNSUPPORTED);
    }

    /// Closes what is to be closed and takes back what is queued; gives how many operations of the caller may be
    /// the kernel's still.
    fn finish(&mut self) -> usize {
        let never_submitted = self.queue.take_back_all(drop) + self.answered.len();
        // What the last turn could not hand over. If the kernel goes on refusing it, it is left behind.
        let mut completions = Vec::new();
        for _ in 0..16 {
            let look = self.ring.look();
            let entered = self.ring.enter(look.queued, Pause::No);
            self.reap(&mut completions);
            if entered.is_ok_and(|consumed| consumed >= look.queued) {
                break;
            }
        }
        // A message that did not get out, or whose answer did not come, may be all that its receiver waits for.
        for receiver in self.tracker.messages.take_all() {
            receiver.unpark();
        }
        self.tracker.operations.in_flight() - never_submitted
    }
}

impl Driver for UringDriver {
    #[inline]
    unsafe fn submit(&mut self, token: Token, op: Op) {
        debug_assert_eq!(token.kind(), kind::OPERATION, "other kinds are the driver's own");
        if !self.support.kind(op.kind()) {
            return self.refuse(token);
        }
        let marks = match op {
            Op::Close { .. } => PERSISTENT,
            Op::ReceivePooled { .. } | Op::ReceiveMultishot { .. } => CHOOSES,
            Op::ReceiveMessages { .. } if self.message_buffers().is_registered() => CHOOSES_MESSAGES,
            Op::ReceiveMessages { .. } => return self.refuse(token),
            _ => 0,
        };
        let number = self.queue.push(entry_of(op).user_data(token.to_bits()));
        self.tracker.operations.start(token, number, marks);
    }

    fn cancel(&mut self, token: Token) {
        match self.tracker.operations.cancel(token, self.queue.first_number()) {
            Cancel::Nothing => {}
            Cancel::TakeBack(number) => {
                self.queue.take_back(number);
                self.answer(token, -libc::ECANCELED, CompletionFlags::empty());
            }
            Cancel::Ask => self.push_cancel(token),
        }
    }

    fn close(&mut self, descriptor: OwnedFd) {
        if self.ring.is_foreign() {
            return drop(descriptor);
        }
        let descriptor = descriptor.into_raw_fd();
        let token = Token::new(descriptor as u32, 0).with_kind(kind::CLOSE);
        self.push_quiet(opcode::Close::new(Fd(descriptor)).build(), token);
    }

    #[inline]
    fn turn(&mut self, wait: Wait, completions: &mut Vec<Completion>) -> io::Result<()> {
        self.take_turn(wait, completions)
    }

    #[inline]
    fn in_flight(&self) -> usize {
        self.tracker.operations.in_flight()
    }

    fn unparker(&self) -> Unparker {
        Unparker::new(self.tracker.unpark.clone())
    }

    /// Sends the other driver's ring a message, at this driver's next turn, or writes to its eventfd at once where
    /// there are no messages.
    fn unpark_other(&mut self, other: &Unparker) {
        let Some(ring) = other.ring().filter(|_| self.support.messages && !self.ring.is_foreign()) else {
            return other.unpark();
        };
        let index = self.tracker.messages.insert(other.clone());
        let received = Token::new(0, 0).with_kind(kind::MESSAGE).to_bits();
        let sent = Token::new(index, 0).with_kind(kind::MESSAGE_SENT).to_bits();
        self.queue.push(opcode::MsgRingData::new(Fd(ring), 0, received, None).build().user_data(sent));
    }

    #[inline]
    fn take_buffer(&mut self, buffer: BufferId, length: usize) -> Chunk {
        match &mut self.tracker.message_buffers {
            Some(messages) if buffer.is_message() => messages.take(buffer.0 as u16, length),
            _ => self.tracker.buffers.take(buffer.0 as u16, length),
        }
    }

    fn pool(&self) -> &BufferPool {
        self.tracker.buffers.pool()
    }

    fn message_pool(&mut self) -> &BufferPool {
        self.message_buffers().pool()
    }

    fn message_buffers_in_use(&self) -> usize {
        self.tracker.message_buffers.as_ref().map_or(0, |messages| messages.pool().statistics().in_use)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            multishot_receive: self.support.multishot_receive,
            pooled_receive: self.support.buffers,
            // A single receive mostly finds its data at once, and then a warm buffer of the caller's is faster.
            prefers_pooled_receive: false,
        }
    }

    fn supports(&self, kind: OpKind) -> bool {
        self.support.kind(kind)
    }
}

impl Drop for UringDriver {
    fn drop(&mut self) {
        if self.ring.is_foreign() {
            return;
        }
        let left = self.finish();
        let rings = [Some(&mut self.tracker.buffers), self.tracker.message_buffers.as_mut()];
        for buffers in rings.into_iter().flatten() {
            if left > 0 || buffers.unregister(self.ring.io()).is_err() {
                buffers.leak();
            }
        }
        self.tracker.unpark.release_ring();
    }
}

impl fmt::Debug for UringDriver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UringDriver")
            .field("in_flight", &self.tracker.operations.in_flight())
            .field("statistics", &self.tracker.statistics)
            .finish_non_exhaustive()
    }
}
