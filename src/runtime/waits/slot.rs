//! What a wait slot holds.

use crate::runtime::{
    RunId, Scope, WaitReason,
    waker::StoredWaker,
    wheel::{Link, Links, NONE},
};
use anyio_driver::{BufferId, Completion, CompletionFlags, Token};
use std::{os::fd::RawFd, ptr};

/// Names a slot in one of its generations. Two numbers, as these travel in registers: what is written to memory in parts
/// and read as a whole right afterwards stalls the processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WaitKey {
    token: Token,
    run: RunId,
}

impl WaitKey {
    #[inline]
    pub(super) fn new(token: Token, run: RunId) -> Self {
        Self { token, run }
    }

    #[inline]
    pub(crate) fn token(self) -> Token {
        self.token
    }

    #[inline]
    pub(super) fn index(self) -> u32 {
        self.token.index()
    }

    #[inline]
    pub(super) fn generation(self) -> u32 {
        self.token.generation()
    }

    /// Which executor's slot it is: a future that outlives its run must not touch the slots of another.
    #[inline]
    pub(crate) fn run(self) -> RunId {
        self.run
    }
}

/// What a cancelled scope does with a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitKind {
    /// None: the slot is free.
    Free,
    /// An operation that is the effect itself: the driver is asked to cancel it, and its answer counts.
    Operation,
    /// An operation that belongs to a stream or listener: the waiter is woken, the operation goes on.
    Kept,
    /// The same, and it brings messages, each of which may be many times as fast as those of streams, and may carry
    /// descriptors.
    KeptMessages,
    /// Something that is not the driver's: the waiter is woken.
    Hook,
    /// A timer: taken out of the wheel and woken.
    Timer,
    /// A scope's deadline, not woken but cancelled; no scope cancels it.
    Deadline,
    /// An operation whose future was dropped. What disposes of its result is in the table of orphans.
    Orphan,
    /// Bytes that were taken over to be sent; whoever waits for that is woken, and the operation goes on. Whose they are is in the
    /// outbox.
    Piece,
    /// Not a wait but a result that a kept operation has brought and its stream not yet taken.
    Queued,
}

/// Whether a wait is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitState {
    /// What is waited for has not happened.
    Waiting,
    /// It has happened, before any cancellation.
    Done,
    /// A scope was cancelled before it happened.
    Cancelled,
}

bitflags::bitflags! {
    /// What else is known of a wait.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) struct Marks: u8 {
        /// The driver has been asked to cancel the operation.
        const CANCEL_ASKED = 1;
        /// The hook stands in a queue.
        const QUEUED = 2;
        /// The messages that it brings may carry descriptors.
        const RIGHTS = 4;
        /// It is the beginning of something new. Only waits that a cancellation takes off have it.
        const IDLE = 8;
    }
}

impl Marks {
    /// Adds a mark, and tells whether it is new.
    #[inline]
    pub(super) fn add(&mut self, mark: Self) -> bool {
        let is_new = !self.contains(mark);
        self.insert(mark);
        is_new
    }
}

/// One slot: exactly one line of the processor's cache, because it is touched some six times for each operation, with
/// the kernel's work in between.
#[repr(align(64))]
pub(super) struct Slot {
    pub(super) generation: u32,
    pub(super) kind: WaitKind,
    pub(super) state: WaitState,
    pub(super) marks: Marks,
    /// What the task says it waits for.
    pub(super) reason: WaitReason,
    pub(super) waker: StoredWaker,
    pub(super) scope: *const Scope,
    pub(super) scope_previous: u32,
    pub(super) scope_next: u32,
    /// A timer's place in the wheel; a hook's neighbours in its queue, and its label; the first and last result of a
    /// kept operation, and their number; the number of the descriptor that another operation uses or has used; the next free
    /// slot.
    pub(super) link: Link,
    pub(super) outcome: Packed,
}

const _: () = assert!(size_of::<Slot>() == 64);

impl Slot {
    pub(super) fn new(kind: WaitKind, reason: WaitReason) -> Self {
        Self {
            generation: 0,
            kind,
            state: WaitState::Waiting,
            marks: Marks::empty(),
            reason,
            waker: StoredWaker::NONE,
            scope: ptr::null(),
            scope_previous: NONE,
            scope_next: NONE,
            link: Link::EMPTY,
            outcome: Packed::default(),
        }
    }

    /// Makes it that of a wait that begins.
    #[inline]
    pub(super) fn begin(&mut self, kind: WaitKind, reason: WaitReason) {
        self.kind = kind;
        self.state = WaitState::Waiting;
        self.marks = Marks::empty();
        self.reason = reason;
        self.link = Link::EMPTY;
    }

    /// Links it to a scope as the first of its waits.
    #[inline]
    pub(super) fn link_to(&mut self, scope: &Scope) {
        self.scope = scope;
        self.scope_previous = NONE;
        self.scope_next = scope.first_wait();
    }

    /// Unlinks it from its scope. (A deadline has one without being linked.)
    #[inline]
    pub(super) fn take_links(&mut self) -> ScopeLinks {
        let scope = match self.kind {
            WaitKind::Deadline => ptr::null(),
            _ => std::mem::replace(&mut self.scope, ptr::null()),
        };
        ScopeLinks { scope, previous: self.scope_previous, next: self.scope_next }
    }
}

/// A slot's place in the list of a scope. Without a scope it stands in none.
pub(super) struct ScopeLinks {
    pub(super) scope: *const Scope,
    pub(super) previous: u32,
    pub(super) next: u32,
}

impl Links for Vec<Slot> {
    #[inline]
    fn link(&mut self, timer: u32) -> &mut Link {
        &mut self[timer as usize].link
    }

    #[inline]
    fn list(&mut self, timer: u32) -> &mut u32 {
        &mut self[timer as usize].outcome.extra
    }
}

/// An operation's final result in eight bytes. A hook's answer, the index of what disposes of an orphan and that of a piece are
/// kept in `result`, too.
#[derive(Clone, Copy, Default)]
pub(super) struct Packed {
    pub(super) result: i32,
    /// Flags, and above them the number of a buffer, which is below 2²⁴; or the list in which a timer is; or the queue in
    /// which a hook stands; or the number of the descriptor that an operation in flight uses.
    extra: u32,
}

impl Packed {
    #[inline]
    pub(super) fn new(completion: &Completion) -> Self {
        let Completion { result, buffer, flags, .. } = *completion;
        debug_assert!(buffer.0 < 1 << 24, "buffers have numbers below 2²⁴");
        Self { result, extra: buffer.0 << 8 | u32::from(flags.bits()) }
    }

    /// The number of the queue in which a hook stands.
    #[inline]
    pub(super) fn queue(self) -> u32 {
        self.extra
    }

    #[inline]
    pub(super) fn set_queue(&mut self, queue: u32) {
        self.extra = queue;
    }

    /// The number of the descriptor that an operation in flight uses, -1 for none.
    #[inline]
    pub(super) fn descriptor(self) -> RawFd {
        self.extra as RawFd
    }

    #[inline]
    pub(super) fn set_descriptor(&mut self, number: RawFd) {
        self.extra = number as u32;
    }

    #[inline]
    pub(super) fn unpack(self) -> Outcome {
        Outcome {
            result: self.result,
            buffer: BufferId(self.extra >> 8),
            flags: CompletionFlags::from_bits_truncate(self.extra as u8),
        }
    }
}

/// What came out of an operation: the parts of its final completion.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome {
    pub(crate) result: i32,
    pub(crate) buffer: BufferId,
    pub(crate) flags: CompletionFlags,
}

impl Outcome {
    /// The completion it came with.
    pub(crate) fn completion(self, key: WaitKey) -> Completion {
        Completion { token: key.token(), result: self.result, buffer: self.buffer, flags: self.flags }
    }
}
