//! Attempts that do not block.
//!
//! # Contract
//! An attempt is made only between the submission of an operation and its final completion, while everything
//! that the operation names is valid: that is what [`Driver::submit`](anyio_driver::Driver::submit) demands of
//! its caller. The kernel is done with the memory when the system call returns. No call here blocks, and none leaves
//! a mode behind that others would see: sockets are used with `MSG_DONTWAIT`, pipes with `RWF_NOWAIT`, listeners,
//! connecting sockets and pipes that do not know it in non-blocking mode for the time of the call, and devices only
//! when `poll(2)` says so.

mod connection;
pub(crate) mod message;
mod mode;
mod plain;
mod poll;
mod stream;

use self::message::MessageBuffers;
use crate::{
    descriptors::Descriptor,
    host,
    operations::{Pending, Side},
    parked::Parked,
};
use anyio_driver::{BufferId, BufferPool, Completion, CompletionFlags, Op, Token, planted};
use std::os::fd::RawFd;

/// What an operation answers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) result: i32,
    pub(crate) buffer: Option<BufferId>,
}

impl Answer {
    #[inline]
    pub(crate) fn completion(self, token: Token) -> Completion {
        let mut completion = Completion::new(token, self.result);
        if let Some(buffer) = self.buffer {
            completion.buffer = buffer;
            completion.flags = CompletionFlags::BUFFER;
        }
        completion
    }
}

impl From<i32> for Answer {
    #[inline]
    fn from(result: i32) -> Self {
        Self { result, buffer: None }
    }
}

/// How an attempt went.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Attempt {
    Done(Answer),
    /// It would block until the descriptor is ready.
    Blocked,
    /// It would block until there is room in another socket's queue, of which nobody tells.
    NoRoom,
    /// Readiness is no help; a thread must do it.
    Blocking,
}

impl Attempt {
    /// An attempt that ended with this result, or would block if it is `EAGAIN`.
    #[inline]
    fn of(result: i32) -> Self {
        if result == -libc::EAGAIN || result == -libc::EWOULDBLOCK {
            Self::Blocked
        } else {
            Self::Done(result.into())
        }
    }
}

impl From<i32> for Attempt {
    fn from(result: i32) -> Self {
        Self::Done(result.into())
    }
}

/// What received data is put into.
pub(crate) struct Buffers {
    pub(crate) pool: BufferPool,
    pub(crate) parked: Parked,
    pub(crate) messages: MessageBuffers,
}

/// The descriptor and the direction in which an operation may have to wait; `None` for those that never do.
#[inline]
pub(crate) fn side(op: &Op) -> Option<(RawFd, Side)> {
    Some(match *op {
        Op::Receive { fd, .. }
        | Op::ReceivePooled { fd }
        | Op::ReceiveMessage { fd, .. }
        | Op::ReceiveMessages { fd, .. }
        | Op::Accept { fd }
        | Op::Read { fd, .. }
        | Op::ReadVectored { fd, .. } => (fd, Side::Reading),
        Op::Send { fd, .. }
        | Op::SendMessage { fd, .. }
        | Op::Connect { fd, .. }
        | Op::Write { fd, .. }
        | Op::WriteVectored { fd, .. } => (fd, Side::Writing),
        Op::Poll { fd, .. } => (fd, Side::Watching),
        _ => return None,
    })
}

/// Whether an operation's descriptor may be new although its number is known: those that come first in the life
/// of a socket, and polls, which work on descriptors that others own.
pub(crate) fn doubtful(op: &Op) -> bool {
    matches!(op, Op::Accept { .. } | Op::Connect { .. } | Op::Poll { .. })
}

/// Attempts an operation.
///
/// # Safety
/// The operation was submitted and has not completed; see the module's contract.
#[inline]
pub(crate) unsafe fn attempt(
    op: &Op,
    progress: &mut u32,
    descriptor: &mut Descriptor,
    buffers: &mut Buffers,
) -> Attempt {
    // SAFETY: each function here asks for what this one asks for.
    unsafe {
        match *op {
            Op::Receive { fd, pointer, length, flags } => {
                stream::receive(descriptor, fd, pointer, length, flags, progress)
            }
            Op::ReceivePooled { fd } => stream::receive_pooled(descriptor, fd, buffers),
            Op::Send { fd, pointer, length, flags } => {
                stream::send(descriptor, fd, pointer, length, flags, progress)
            }
            Op::ReceiveMessage { fd, message, flags } => message::receive(fd, message, flags),
            Op::ReceiveMessages { fd, message } => {
                message::receive_many(descriptor, fd, message, &mut buffers.messages)
            }
            Op::SendMessage { fd, message, flags } => message::send(fd, message, flags),
            Op::Accept { fd } => connection::accept(fd),
            Op::Connect { fd, address, length } => connection::connect(fd, address, length, progress),
            Op::Poll { fd, events } => poll::poll(fd, events),
            Op::Read { fd, pointer, length, .. } => plain::read(descriptor, fd, pointer, length, progress),
            Op::Write { fd, pointer, length, .. } => plain::write(descriptor, fd, pointer, length, progress),
            Op::ReadVectored { fd, pieces, count, .. } => plain::read_vectored(descriptor, fd, pieces, count),
            Op::WriteVectored { fd, pieces, count, .. } => {
                plain::write_vectored(descriptor, fd, pieces, count)
            }
            Op::WaitProcess { pid, info, options } => match host::wait_process(pid, info, options) {
                Some(result) => result.into(),
                None => Attempt::Blocked,
            },
            _ => Attempt::Blocking,
        }
    }
}

/// What becomes of an operation that is withdrawn while it waits: what it has achieved counts.
pub(crate) fn withdrawn(pending: &Pending) -> i32 {
    match pending.op {
        Op::Receive { .. } | Op::Send { .. }
            if pending.progress > 0 && !planted("beginning of a send forgotten") =>
        {
            pending.progress as i32
        }
        _ => -libc::ECANCELED,
    }
}
