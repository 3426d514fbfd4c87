//! What a driver can do.

use crate::{
    BufferId, BufferPool, Call, Chunk, Completion, DriverStatistics, Op, OpKind, Ruling, Token, Unparker,
};
use std::{
    io,
    os::fd::{OwnedFd, RawFd},
    time::Instant,
};

/// How long [`Driver::turn`] may wait for a completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Not at all: collect what is there.
    No,
    /// Until this moment, or the first completion or wake-up.
    Until(Instant),
    /// Until the first completion or wake-up.
    Forever,
}

/// How long a driver may be left alone. See [`Driver::rest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// There is something for a turn to do.
    No,
    /// Until the [event source](Driver::event_source) tells of something, or until this moment.
    Until(Option<Instant>),
}

/// What this driver on this host can do beyond what each can.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// [`Op::ReceiveMultishot`] works.
    pub multishot_receive: bool,
    /// [`Op::ReceivePooled`] works.
    pub pooled_receive: bool,
    /// [`Op::ReceivePooled`] takes its buffer only when data is there, so that an idle connection ties up none.
    /// Where this is false a [`Op::Receive`] into a pool buffer is the better single receive.
    pub prefers_pooled_receive: bool,
    /// Sends are attempted as they are submitted, so that the caller need not do that itself.
    pub attempts_sends: bool,
    /// The driver is to hear of each call of the system that is made beside it: see [`Driver::before_call`].
    pub rules_calls: bool,
}

/// Does operations. See the crate's documentation for the rules that each driver keeps.
///
/// A driver belongs to one thread. It is neither `Send` nor `Sync`; only its [`Unparker`] is.
pub trait Driver {
    /// Takes an operation; its completions come out of later [`turn`](Driver::turn)s under `token`, or, if it
    /// was done at once, out of [`take_answer`](Driver::take_answer).
    ///
    /// There is always room: what does not fit into a queue of the kernel waits in one of the driver. What the
    /// host does not support completes with `EOPNOTSUPP` and [`CompletionFlags::UNSUPPORTED`](crate::CompletionFlags::UNSUPPORTED).
    ///
    /// # Safety
    /// - Every descriptor and all memory named by `op` stay valid, and the memory is neither moved nor, where
    ///   the operation writes to it, touched, until the operation's final completion has been handed out.
    /// - `token` is of kind 0 and no other operation in flight has the same index.
    unsafe fn submit(&mut self, token: Token, op: Op);

    /// Takes an operation as [`submit`](Driver::submit) does, right before a turn, with others of its kind. A turn may wait all the
    /// same until something else happens if it was done as a whole.
    ///
    /// # Safety
    /// As for [`submit`](Driver::submit).
    unsafe fn submit_for_next_turn(&mut self, token: Token, op: Op) {
        // SAFETY: passed on.
        unsafe { self.submit(token, op) };
    }

    /// Has the next turn end also with what was [submitted for it](Driver::submit_for_next_turn): somebody waits for that.
    fn end_turn_with_all(&mut self) {}

    /// Hands out the final completion of the operation that was submitted last, if it is known already; no turn hands
    /// it out then. Only for right after [`submit`](Driver::submit) and [`submit_for_next_turn`](Driver::submit_for_next_turn).
    #[inline]
    fn take_answer(&mut self, token: Token) -> Option<Completion> {
        let _ = token;
        None
    }

    /// Asks for an operation to be cancelled. It still completes, with `ECANCELED` or `EINTR` if it had no effect.
    ///
    /// Asking again, or for an operation that has completed meanwhile, does nothing.
    fn cancel(&mut self, token: Token);

    /// Cancels an operation as [`cancel`](Driver::cancel) does, but as if the system did not find it when it is asked for the
    /// first time. Tells whether the system had to be asked; it need not be for what it has not got yet, and drivers that find
    /// what they look for never ask. For those who try what happens then.
    fn cancel_in_vain(&mut self, token: Token) -> bool {
        self.cancel(token);
        false
    }

    /// Cancels an operation as [`cancel`](Driver::cancel) does, and at once: appends the operation's completions to
    /// `completions` that are known now, the final one among them unless it is in the hands of a thread that has to finish
    /// what it does. No turn hands them out then. When the final one is there, nothing holds the operation's descriptor on
    /// its behalf, so that closing it has its effect.
    ///
    /// What other operations have answered meanwhile comes out of the next turn.
    fn withdraw(&mut self, token: Token, completions: &mut Vec<Completion>);

    /// Forgets what the driver has noted about a descriptor that is going to be closed or given away, and which no operation
    /// in flight uses, since its number may soon mean something else.
    fn forget(&mut self, fd: RawFd) {
        let _ = fd;
    }

    /// Is told of a call of the system that is about to be made beside the driver, and says what is to become of it. Asked
    /// only if [`Capabilities::rules_calls`] is true, so a run on any other driver pays nothing for it.
    ///
    /// Calls are made by the thread of the run, or asked for by it and made by a worker thread; what is done before there is a
    /// run, or by destructors, which have nobody to tell of an error, goes unasked.
    #[cold]
    fn before_call(&mut self, call: &Call) -> Ruling {
        let _ = call;
        Ruling::Make
    }

    /// Hands everything that is queued to the kernel, waits as long as `wait` says unless completions are there
    /// already, and appends the completions to `completions`.
    ///
    /// It may return early with none: after [`Unparker::unpark`], a signal, or for reasons of its own.
    ///
    /// # Errors
    /// Only when the driver is beyond use, for example in the child of a `fork`. Nothing that was queued is lost
    /// by an error, but it is not known what became of it.
    fn turn(&mut self, wait: Wait, completions: &mut Vec<Completion>) -> io::Result<()>;

    /// A descriptor for one who waits for other things besides, and therefore cannot wait in [`turn`](Driver::turn). It is
    /// reported as readable when there is something for a turn to do; by edges, as `EPOLLET` gives them, as it may stay
    /// readable. What it tells counts between a [`rest`](Driver::rest) and the turn after it.
    ///
    /// # Errors
    /// If the process has no descriptors left.
    fn event_source(&mut self) -> io::Result<OwnedFd>;

    /// Says whether the driver can be left alone. From now on the event source, which was asked for before, tells of what
    /// comes, until the next turn.
    fn rest(&mut self) -> Rest;

    /// How many operations have been submitted whose final completion has not been handed out yet.
    fn in_flight(&self) -> usize;

    /// A handle with which any thread can end a [`turn`](Driver::turn) that waits.
    fn unparker(&self) -> Unparker;

    /// Fetches the pool buffer which a completion with [`CompletionFlags::BUFFER`](crate::CompletionFlags::BUFFER)
    /// names, with its first `length` bytes (the completion's result) as contents. Once for each such completion.
    fn take_buffer(&mut self, buffer: BufferId, length: usize) -> Chunk;

    /// The pool from which this driver's receives take their buffers.
    fn pool(&self) -> &BufferPool;

    /// The pool of larger buffers, from which receives of messages take theirs. It is made when first asked for.
    fn message_pool(&mut self) -> &BufferPool;

    /// How many buffers of that pool are in the hands of operations and chunks.
    fn message_buffers_in_use(&self) -> usize;

    /// What this driver can do on this host.
    fn capabilities(&self) -> Capabilities;

    /// Whether this driver can do operations of this kind on this host.
    fn supports(&self, kind: OpKind) -> bool;

    /// What it has counted.
    fn statistics(&self) -> DriverStatistics;
}
