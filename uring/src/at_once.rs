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
    /// Somebody waits for those that are there.
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

    /// Has turns not wait until there are none of these any more.
    pub(crate) fn await_all(&mut self) {
        self.are_awaited = !self.sends.is_empty();
    }

    /// Whether turns are not to wait.
    #[inline]
    pub(crate) fn are_awaited(&self) -> bool {
        self.are_awaited
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
        self.are_awaited &= !self.sends.is_empty();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_awaited_until_it_is_known_of_all_what_became_of_them() {
        let (mut at_once, mut operations, mut completions) =
            (AtOnce::default(), Operations::default(), Vec::new());
        let tokens = [1, 2, 3].map(|index| Token::new(index, 0));
        for (number, token) in (0..).zip(tokens) {
            operations.start(token, number, 0);
            at_once.add(token, number, 10);
        }
        at_once.await_all();
        // Of the second it was told that it found no room, and the third has not left the queue.
        operations.complete(tokens[1], -libc::EAGAIN, true);
        at_once.conclude(2, &mut operations, &mut completions);
        assert_eq!(completions.len(), 1);
        assert_eq!((completions[0].token, completions[0].result), (tokens[0], 10));
        assert!(at_once.are_awaited(), "there is one more");
        at_once.conclude(3, &mut operations, &mut completions);
        assert_eq!((completions.len(), operations.in_flight()), (2, 0));
        assert!(at_once.is_empty() && !at_once.are_awaited());
        at_once.await_all();
        assert!(!at_once.are_awaited(), "there is nothing to be awaited");
    }
}
