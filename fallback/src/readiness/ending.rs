//! Completing operations, by success, failure or withdrawal.

use super::{LEAST, Readiness};
use crate::{
    attempt::{Answer, withdrawn},
    descriptors::{Class, Descriptor},
    opening::brings_descriptor,
    operations::{Place, Side},
};
use anyio_driver::{Completion, CompletionFlags, Op, Token};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

impl Readiness {
    /// Notes that a descriptor is new.
    pub(super) fn adopt(&mut self, fd: RawFd, class: Class) {
        self.withdraw_all(fd);
        self.descriptors.begin(fd, Descriptor { class, ..Descriptor::default() });
    }

    #[inline]
    pub(super) fn complete(&mut self, token: Token, answer: Answer) {
        for earlier in self.buffers.messages.earlier.drain(..) {
            self.received += (earlier.result as usize).max(LEAST);
            let mut completion = earlier.completion(token);
            completion.flags |= CompletionFlags::MORE;
            self.done.push(completion);
        }
        if answer.buffer.is_some() {
            self.received += (answer.result as usize).max(LEAST);
        }
        self.done.push(answer.completion(token));
    }

    /// Completes an operation and notes what its success means for descriptors.
    #[inline]
    pub(super) fn finish(&mut self, token: Token, op: &Op, answer: Answer) {
        if answer.result >= 0 && brings_descriptor(op) {
            match *op {
                Op::Accept { fd } => {
                    let listener =
                        self.descriptors.seen(fd).map_or(Class::Unknown, |listener| listener.class);
                    self.adopt(answer.result, listener);
                }
                Op::Open { .. } => self.adopt(answer.result, Class::Unknown),
                _ => {}
            }
            let flags = CompletionFlags::DESCRIPTOR;
            return self.done.push(Completion { flags, ..answer.completion(token) });
        }
        self.complete(token, answer);
    }

    /// Closes the descriptors that operations have made and nobody has taken.
    pub(crate) fn close_untaken(&mut self) {
        let mut untaken: Vec<RawFd> =
            self.done.drain(..).filter_map(|completion| completion.brought()).collect();
        for (token, result) in self.outcomes.end() {
            if result >= 0
                && self.operations.find(token).is_some_and(|pending| brings_descriptor(&pending.op))
            {
                untaken.push(result);
            }
        }
        for descriptor in untaken {
            // SAFETY: it was made for an operation whose completion nobody has seen, and nobody will.
            drop(unsafe { OwnedFd::from_raw_fd(descriptor) });
        }
    }

    /// Ends a waiting operation, which is in no list any more.
    pub(super) fn end(&mut self, index: u32, answer: Answer) {
        let Some(pending) = self.operations.remove(index) else { return };
        if let Some(watch) = &pending.watch {
            self.forget(watch.as_raw_fd());
        }
        self.finish(pending.token, &pending.op, answer);
    }

    /// Completes what a worker thread has done.
    pub(crate) fn job_done(&mut self, token: Token, result: i32) {
        if self.operations.find(token).is_some() {
            self.end(token.index(), result.into());
        }
    }

    /// Withdraws an operation that waits; one that a thread works on is left to finish.
    pub(crate) fn cancel(&mut self, token: Token) {
        let Some(pending) = self.operations.find(token) else { return };
        let index = token.index();
        let result = withdrawn(pending);
        match &pending.place {
            &Place::Ready { fd, side } => {
                let Some(descriptor) = self.descriptors.seen(fd) else { return };
                self.operations.unlink(descriptor.list(side), index);
            }
            Place::Room => self.retrying.retain(|other| *other != index),
            Place::Job(handle) => {
                if handle.take_back().is_none() {
                    return;
                }
            }
        }
        self.end(index, result.into());
    }

    /// Forgets a descriptor. Operations that still wait for it, against the contract, are withdrawn.
    pub(crate) fn forget(&mut self, fd: RawFd) {
        self.withdraw_all(fd);
        let Some(descriptor) = self.descriptors.seen(fd) else { return };
        if descriptor.registered {
            self.selector.deregister(fd);
        }
        *descriptor = Descriptor::default();
    }

    pub(super) fn withdraw_all(&mut self, fd: RawFd) {
        self.fail_all(fd, -libc::ECANCELED);
    }

    pub(super) fn fail_all(&mut self, fd: RawFd, result: i32) {
        for side in [Side::Reading, Side::Writing, Side::Watching] {
            while let Some(descriptor) = self.descriptors.seen(fd) {
                let Some(index) = descriptor.list(side).first() else { break };
                self.operations.unlink(descriptor.list(side), index);
                self.end(index, result.into());
            }
        }
    }
}
