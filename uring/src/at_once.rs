//! Sends that the kernel answers as it takes them, and of which it tells only if they have not sent everything.
//!
//! So a turn that submits them waits for something else all the same, and ends as soon as one of them needs to be gone on
//! with. That all was sent is known when the kernel has taken them and has told nothing.

use crate::operations::Operations;
use anyio_driver::{Completion, Op, Token};
use std::collections::VecDeque;

/// Those of which nothing is known yet, in the order in which they were queued.
#[derive(Default)]
pub(crate) struct AtOnce {
    sends: VecDeque<Waiting>,
    /// Somebody waits for them.
    are_awaited: bool,
}

struct Waiting {
    token: Token,
    /// Of its entry in the queue.
    number: u64,
    length: u32,
}

/// The same operation so that less than all is a failure, which is told, and how much all is; nothing if the kernel does not
/// answer it as it takes it.
pub(crate) fn answered_at_once(op: Op) -> Option<(Op, u32)> {
    match op {
        Op::Send { fd, pointer, length, flags } if flags & libc::MSG_DONTWAIT != 0 => {
            Some((Op::Send { fd, pointer, length, flags: flags | libc::MSG_WAITALL }, length))
        }
        _ => None,
    }
}

impl AtOnce {
    /// Notes a send of so many bytes, with the number of its entry in the queue.
    #[inline]
    pub(crate) fn add(&mut self, token: Token, number: u64, length: u32) {
        self.sends.push_back(Waiting { token, number, length });
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.sends.is_empty()
    }

    /// Has the next turn not wait.
    pub(crate) fn await_all(&mut self) {
        self.are_awaited = !self.sends.is_empty();
    }

    /// Whether that was asked for since this was called last.
    #[inline]
    pub(crate) fn take_awaited(&mut self) -> bool {
        std::mem::take(&mut self.are_awaited)
    }

    /// Completes those which the kernel has taken, all with numbers below `first_queued`, and has told nothing of.
    pub(crate) fn conclude(
        &mut self,
        first_queued: u64,
        operations: &mut Operations,
        completions: &mut Vec<Completion>,
    ) {
        while let Some(send) = self.sends.front().filter(|send| send.number < first_queued) {
            let result = send.length as i32;
            if operations.complete(send.token, result, true).is_some() {
                completions.push(Completion::new(send.token, result));
            }
            self.sends.pop_front();
        }
    }
}
