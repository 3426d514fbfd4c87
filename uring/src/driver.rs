//! The driver.
//!
//! # Contract
//! Memory and descriptors of operations are the caller's to keep until the final completion, as
//! [`Driver::submit`] demands. What the driver itself lends to the kernel, the pool's buffers and the ring that
//! lists them, is freed only when no operation is in flight any more; otherwise it is leaked, because closing a
//! ring ends its operations only some time later.

use crate::{
    Options, Report, SetupError, Statistics,
    at_once::{AtOnce, answered_at_once},
    buffer_ring::BufferRing,
    entry::{ended_by_a_part, entry_of, is_punted, works_on_file},
    event_source::EventSource,
    fork::ProcessGeneration,
    kind,
    operations::{CHOOSES, CHOOSES_MESSAGES, Cancel, DOUBTFUL, LINKED, OPENS, Operations, ZERO_COPY},
    probe::Support,
    queue::Queue,
    retries::Retries,
    ring::{Pause, Registration, Ring},
    setup::{STEPS, SetupFlags, set_up},
    tracker::Tracker,
    unpark::EventUnpark,
    zero_copy::ZeroCopy,
};
use anyio_driver::{
    BufferId, BufferPool, Capabilities, Chunk, Completion, CompletionFlags, Driver, DriverStatistics, Op,
    OpKind, Outgoing, Rest, Token, Unparker, Wait, planted,
};
use io_uring::{
    opcode,
    squeue::{Entry, Flags},
};
use std::{
    fmt, io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    sync::Arc,
    time::Duration,
};

/// How often the kernel is entered for an operation that is to end at once. Each time it does some twenty of the things
/// that it has put off.
const WITHDRAWALS: u32 = 64;

/// Does operations by way of one io_uring.
///
/// It belongs to the thread that made it. In a child of `fork` it refuses every turn and touches nothing.
///
/// Operations wait in a queue of the driver until the next turn, however many there are. Those that are cancelled
/// before then never reach the kernel.
///
/// What a worker thread of the kernel does holds its file until some time after it has told the result, and a file that is
/// held is not closed when its descriptor is. So an operation on a file has an entry behind it that does nothing: the kernel
/// gets to that after it has let go of the file, and only then the operation's completion is handed out.
///
/// Dropping the driver closes the descriptors that operations have brought and nobody has taken. Operations of the caller
/// that have not reached the kernel never do. If others are still in flight, the kernel ends them some time after the ring
/// is closed; until then it may use their memory, so the pool is leaked, and the caller must not free its own either.
pub struct UringDriver {
    pub(crate) ring: Ring,
    pub(crate) queue: Queue,
    pub(crate) at_once: AtOnce,
    pub(crate) tracker: Tracker,
    /// Completions that were made here, for the next turn.
    pub(crate) answered: Vec<Completion>,
    /// Messages that are sent without the ring, by the next turn.
    pub(crate) outgoing: Outgoing,
    /// Completions that came between turns, for the next.
    pub(crate) early: Vec<Completion>,
    pub(crate) support: Support,
    pub(crate) spin: Option<Duration>,
    /// Whether the submission queue has room for entries that belong together.
    links: bool,
    report: Report,
    /// What tells those who wait elsewhere of completions, once somebody has asked for it.
    pub(crate) source: Option<EventSource>,
    /// Whether the kernel looks in time whether that is to be told.
    mutes_source: bool,
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
        let unpark = EventUnpark::new(process)
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
        let support = Support::new(&setup, buffers.is_some(), &options.masked);
        let buffers = match buffers {
            Some(buffers) => buffers,
            None => BufferRing::without_ring(BufferRing::pool_for(size, 0).map_err(no_buffers)?),
        };
        let registration = Registration::new(&setup.io);
        let report = Report::new(&setup, &support, registration.is_some(), buffers.pool(), options);
        let mutes_source = setup.flags.defer_taskrun && setup.flags.taskrun_flag;
        let links = setup.io.params().sq_entries() > 1;
        let ring = Ring::new(setup.io, registration, process);
        Ok(Self {
            ring,
            queue: Queue::default(),
            at_once: AtOnce::default(),
            tracker: Tracker {
                operations: Operations::default(),
                retries: Retries::default(),
                buffers,
                message_buffers: None,
                unpark: Arc::new(unpark),
                unpark_armed: false,
                called: false,
                turn: 0,
                statistics: Statistics::default(),
                zero_copy: options
                    .zero_copy_sends
                    .filter(|_| support.zero_copy)
                    .map(|options| Box::new(ZeroCopy::new(options))),
            },
            answered: Vec::new(),
            outgoing: Outgoing::default(),
            early: Vec::new(),
            support,
            spin: options.spin,
            links,
            report,
            source: None,
            mutes_source,
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

    /// Notes that an operation is to be cancelled, and does so if the kernel has not got it yet. Tells whether the kernel has
    /// to be asked.
    fn begin_cancel(&mut self, token: Token) -> bool {
        if self.outgoing.take_back(token) {
            self.early.push(Completion::new(token, -libc::ECANCELED));
            return false;
        }
        match self.tracker.operations.cancel(token, self.queue.first_number()) {
            Cancel::Nothing => false,
            Cancel::TakeBack(number, count) => {
                (number..number + count).for_each(|number| self.queue.take_back(number));
                if let Some(zero_copy) = &mut self.tracker.zero_copy {
                    zero_copy.take_back(token);
                }
                self.answer(token, -libc::ECANCELED, CompletionFlags::empty());
                false
            }
            Cancel::Ask => true,
        }
    }

    /// Has the kernel tell of completions from now on, and says whether there may be some already.
    fn listen(&mut self) -> bool {
        let Some(source) = &self.source else { return true };
        if self.tracker.operations.are_doubtful() && source.renew(self.ring.io()).is_err() {
            return true;
        }
        source.begin(&self.ring.completion());
        let look = self.ring.look();
        look.queued > 0 || look.hidden || self.ring.has_completions()
    }

    fn answer(&mut self, token: Token, result: i32, flags: CompletionFlags) {
        self.answered.push(Completion { flags, ..Completion::new(token, result) });
    }

    /// Queues a send, without a copy if that is worth it.
    fn submit_send(&mut self, token: Token, op: Op) {
        let without_copy = self.tracker.zero_copy.as_mut().and_then(|zero_copy| zero_copy.begin(token, op));
        let (entry, marks) = match without_copy {
            Some(entry) => (entry, ZERO_COPY),
            None => (entry_of(op), 0),
        };
        let number = self.queue.push(entry.user_data(token.to_bits()));
        self.tracker.operations.start(token, number, marks);
    }

    #[cold]
    fn refuse(&mut self, token: Token) {
        self.tracker.operations.start_answered(token);
        self.answer(token, -libc::EOPNOTSUPP, CompletionFlags::UNSUPPORTED);
    }

    /// Takes back what is queued, and closes the descriptors that operations have brought; gives how many operations of the
    /// caller may be the kernel's still.
    fn finish(&mut self) -> usize {
        let never_submitted = self.queue.take_back_all() + self.answered.len();
        // What the last turn could not hand over. If the kernel goes on refusing it, it is left behind.
        let mut completions = std::mem::take(&mut self.early);
        for _ in 0..16 {
            let look = self.ring.look();
            let entered = self.ring.enter(look.queued, Pause::No);
            self.reap(&mut completions);
            self.conclude(&mut completions);
            if entered.is_ok_and(|consumed| consumed >= look.queued) {
                break;
            }
        }
        for completion in completions {
            if let Some(descriptor) = completion.brought() {
                // SAFETY: nobody has seen this completion, and nobody will.
                drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
            }
        }
        self.tracker.operations.in_flight() - never_submitted
    }

    /// # Safety
    /// As for [`submit`](Driver::submit).
    #[inline(always)]
    unsafe fn submit_supported(&mut self, token: Token, op: Op) {
        let mut marks = match op {
            Op::Accept { .. } | Op::Open { .. } => OPENS,
            Op::ReceivePooled { .. } | Op::ReceiveMultishot { .. } => CHOOSES,
            Op::ReceiveMessages { .. } if self.message_buffers().is_registered() => CHOOSES_MESSAGES,
            Op::ReceiveMessages { .. } => return self.refuse(token),
            Op::Send { .. } if self.tracker.zero_copy.is_some() => return self.submit_send(token, op),
            _ if self.links && works_on_file(op.kind()) => LINKED,
            _ => 0,
        };
        if is_punted(op.kind()) {
            self.tracker.statistics.punted += 1;
        }
        let mut entry = entry_of(op);
        // In place: the other way copies the entry.
        entry.set_user_data(token.to_bits());
        let is_linked = marks == LINKED;
        if is_linked {
            entry = entry.flags(Flags::IO_HARDLINK);
        }
        let number = self.queue.push(entry);
        if is_linked {
            self.queue.push_release(token);
        }
        if self.source.is_some() && is_doubtful(op) {
            marks |= DOUBTFUL;
        }
        self.tracker.operations.start(token, number, marks);
    }

    /// # Safety
    /// As for [`submit`](Driver::submit).
    #[cold]
    #[inline(never)]
    unsafe fn submit_ended_by_a_part(&mut self, token: Token, op: Op) {
        // SAFETY: the caller's promise.
        unsafe { self.submit_supported(token, ended_by_a_part(op)) }
    }
}

impl Driver for UringDriver {
    // What is to be done about an operation is known where its kind is.
    #[inline(always)]
    unsafe fn submit(&mut self, token: Token, op: Op) {
        debug_assert_eq!(token.kind(), kind::OPERATION, "other kinds are the driver's own");
        if let Some((fd, message)) = Outgoing::message_of(op) {
            // SAFETY: the caller's promise.
            return unsafe { self.outgoing.push(token, fd, message) };
        }
        if !self.support.kind(op.kind()) {
            return self.refuse(token);
        }
        match self.support.keeps_parts {
            // SAFETY: the caller's promise.
            true => unsafe { self.submit_supported(token, op) },
            // SAFETY: as above.
            false => unsafe { self.submit_ended_by_a_part(token, op) },
        }
    }

    #[inline]
    unsafe fn submit_for_next_turn(&mut self, token: Token, op: Op) {
        let can_be =
            self.support.skip_success && self.support.keeps_parts && self.tracker.zero_copy.is_none();
        let Some((op, length)) = answered_at_once(op).filter(|_| can_be) else {
            // SAFETY: the caller's promise.
            return unsafe { self.submit(token, op) };
        };
        let mut entry = entry_of(op).flags(Flags::SKIP_SUCCESS);
        entry.set_user_data(token.to_bits());
        let number = self.queue.push(entry);
        self.tracker.operations.start(token, number, 0);
        self.at_once.add(token, number, length);
    }

    fn end_turn_with_all(&mut self) {
        self.at_once.await_all();
    }

    fn cancel(&mut self, token: Token) {
        if self.begin_cancel(token) && !planted("cancel dropped") {
            self.push_cancel(token);
        }
    }

    fn cancel_in_vain(&mut self, token: Token) -> bool {
        let is_asked = self.begin_cancel(token);
        if is_asked {
            // It was not found, or interrupted where it does not notice.
            let answer = if token.generation() % 2 == 0 { libc::ENOENT } else { libc::EALREADY };
            self.tracker.take_cancel(token, -answer);
        }
        is_asked
    }

    fn withdraw(&mut self, token: Token, completions: &mut Vec<Completion>) {
        self.cancel(token);
        let mut early = std::mem::take(&mut self.early);
        // What was to be sent with the next turn has not left, and nor do those that wait with it.
        let is_over = early.iter().any(|completion| completion.token == token && completion.is_final());
        for _ in 0..if is_over { 0 } else { WITHDRAWALS } {
            // An error comes again in the next turn.
            if self.take_turn(Wait::No, &mut early).is_err()
                || !self.tracker.operations.is_alive(token)
                || !self.ring.look().hidden
            {
                break;
            }
        }
        early.retain(|completion| {
            let wanted = completion.token == token;
            if wanted {
                completions.push(*completion);
            }
            !wanted
        });
        self.early = early;
    }

    #[inline]
    fn turn(&mut self, wait: Wait, completions: &mut Vec<Completion>) -> io::Result<()> {
        let called = std::mem::take(&mut self.tracker.called);
        // What has come between the turns is news already.
        let wait = if called || !self.early.is_empty() { Wait::No } else { wait };
        completions.append(&mut self.early);
        let turned = self.take_turn(wait, completions);
        self.tracker.called = false;
        turned
    }

    fn event_source(&mut self) -> io::Result<OwnedFd> {
        let source = match &self.source {
            Some(source) => source,
            None => {
                let source = EventSource::new(self.ring.io(), self.mutes_source)?;
                self.tracker.unpark.tell(source.descriptor()?);
                self.source.insert(source)
            }
        };
        source.descriptor()
    }

    #[inline]
    fn rest(&mut self) -> Rest {
        let is_told = !(self.queue.is_empty() && self.answered.is_empty() && self.early.is_empty())
            || self.outgoing.count() > 0;
        if is_told || self.tracker.called || !self.tracker.unpark_armed || self.listen() {
            return Rest::No;
        }
        Rest::Until(self.tracker.retries.earliest())
    }

    #[inline]
    fn in_flight(&self) -> usize {
        self.tracker.operations.in_flight()
            + self.outgoing.count()
            + self.early.iter().filter(|completion| completion.is_final()).count()
    }

    fn unparker(&self) -> Unparker {
        Unparker::new(self.tracker.unpark.clone())
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
            attempts_sends: false,
            rules_calls: false,
        }
    }

    fn supports(&self, kind: OpKind) -> bool {
        self.support.kind(kind)
    }

    fn forget(&mut self, fd: RawFd) {
        if let Some(zero_copy) = &mut self.tracker.zero_copy {
            zero_copy.forget(fd);
        }
    }

    fn statistics(&self) -> DriverStatistics {
        let Statistics { punted, zero_copy_sends, zero_copy_copied, .. } = self.tracker.statistics;
        DriverStatistics { punted, zero_copy_sends, zero_copy_copied }
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

/// Whether this operation may be ended by an eventfd.
#[cold]
fn is_doubtful(op: Op) -> bool {
    match op {
        Op::Poll { fd, .. } | Op::Read { fd, .. } | Op::ReadVectored { fd, .. } => {
            EventSource::is_doubtful(fd)
        }
        _ => false,
    }
}
