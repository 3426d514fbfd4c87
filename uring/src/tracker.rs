//! What each completion of the kernel means.

use crate::{
    Statistics,
    buffer_ring::{BufferRing, MESSAGE_BIT},
    kind,
    operations::{CHOOSES_MESSAGES, Known, Operations},
    retries::Retries,
    unpark::EventUnpark,
    zero_copy::{self, Verdict, ZeroCopy},
};
use anyio_driver::{BufferId, Completion, CompletionFlags, Token, is_interruption, planted};
use io_uring::cqueue;
use std::{sync::Arc, time::Instant};

/// What the kernel says of a completion if the socket has more to receive (`IORING_CQE_F_SOCK_NONEMPTY`).
const SOCKET_NOT_EMPTY: u32 = 4;

/// Everything that completions change.
pub(crate) struct Tracker {
    pub(crate) operations: Operations,
    pub(crate) retries: Retries,
    pub(crate) buffers: BufferRing,
    /// The larger buffers of messages, once there was one.
    pub(crate) message_buffers: Option<BufferRing>,
    pub(crate) unpark: Arc<EventUnpark>,
    /// Whether the poll that `unpark` wakes is in flight.
    pub(crate) unpark_armed: bool,
    /// Whether somebody has called to wake up since this was last cleared.
    pub(crate) called: bool,
    /// How many turns there have been.
    pub(crate) turn: u64,
    pub(crate) statistics: Statistics,
    /// Sends without a copy, if they were asked for and the kernel knows them.
    pub(crate) zero_copy: Option<Box<ZeroCopy>>,
}

impl Tracker {
    /// Takes one completion of the kernel, and hands it out if it answers an operation of the caller.
    #[inline]
    pub(crate) fn take(&mut self, entry: &cqueue::Entry, completions: &mut Vec<Completion>) {
        let token = Token::from_bits(entry.user_data());
        let is_plain = entry.flags() & !SOCKET_NOT_EMPTY == 0 && token.kind() == kind::OPERATION;
        if is_plain && self.operations.complete_plain(token) {
            let result = judge(entry.result(), Known::default());
            let flags = match entry.flags() {
                0 => CompletionFlags::empty(),
                _ => CompletionFlags::MORE_DATA,
            };
            return completions.push(Completion { token, result, buffer: BufferId(0), flags });
        }
        self.take_special(entry, token, completions);
    }

    /// The same for what is not the only completion of an operation of which nothing special is known.
    fn take_special(&mut self, entry: &cqueue::Entry, token: Token, completions: &mut Vec<Completion>) {
        if token.kind() == kind::RELEASED {
            return self.take_release(token.with_kind(kind::OPERATION), completions);
        }
        if token.kind() != kind::OPERATION {
            return self.take_internal(token, entry.result(), cqueue::more(entry.flags()));
        }
        if zero_copy::is_notification(entry.flags()) {
            return self.take_notification(token, entry.result(), completions);
        }
        let more = cqueue::more(entry.flags());
        let mut flags = CompletionFlags::empty();
        let Some(operation) = self.operations.complete(token, entry.result(), !more) else {
            return self.take_stale(entry);
        };
        if operation.held {
            return;
        }
        if operation.zero_copy {
            return self.end_zero_copy(token, entry.result(), None, operation, completions);
        }
        let result = judge(entry.result(), operation);
        if more {
            flags |= CompletionFlags::MORE;
        }
        if operation.opens && result >= 0 {
            flags |= CompletionFlags::DESCRIPTOR;
        }
        let mut buffer = BufferId(0);
        if let Some(number) = cqueue::buffer_select(entry.flags()) {
            if result > 0 {
                flags |= CompletionFlags::BUFFER;
                buffer = self.note_filled(number, result as u32);
            } else {
                self.give_back(number);
            }
        } else if result == -libc::ENOBUFS && operation.choice != 0 {
            self.take_shortage(operation.choice);
        }
        if cqueue::sock_nonempty(entry.flags()) {
            flags |= CompletionFlags::MORE_DATA;
        }
        completions.push(Completion { token, result, buffer, flags });
    }

    /// Hands out an operation that was completed before, now that the kernel has let go of its file.
    fn take_release(&mut self, token: Token, completions: &mut Vec<Completion>) {
        match self.operations.release(token) {
            Ok(Some((result, operation))) => {
                completions.push(Completion::new(token, judge(result, operation)))
            }
            Ok(None) => {}
            Err(()) => self.statistics.stale_completions += 1,
        }
    }

    /// Takes the news that the kernel needs the memory of a send no more.
    fn take_notification(&mut self, token: Token, usage: i32, completions: &mut Vec<Completion>) {
        match self.operations.let_go(token) {
            Ok((result, operation)) => self.end_zero_copy(token, result, Some(usage), operation, completions),
            Err(()) => self.statistics.stale_completions += 1,
        }
    }

    /// Hands out a send without a copy, or notes that it is to be made with one.
    fn end_zero_copy(
        &mut self,
        token: Token,
        result: i32,
        usage: Option<i32>,
        operation: Known,
        completions: &mut Vec<Completion>,
    ) {
        let may_repeat = !operation.cancel_asked;
        let statistics = &mut self.statistics;
        let verdict = match &mut self.zero_copy {
            Some(zero_copy) => zero_copy.end(token, result, usage, may_repeat, statistics),
            None => Verdict::Done,
        };
        // What was refused and is not to be made any more has not happened.
        let refused = matches!(-result, libc::EINVAL | libc::EOPNOTSUPP | libc::ENOMEM | libc::ENOBUFS);
        let result = if refused && !may_repeat { -libc::ECANCELED } else { judge(result, operation) };
        if verdict == Verdict::Done {
            completions.push(Completion::new(token, result));
        }
    }

    #[cold]
    fn take_stale(&mut self, entry: &cqueue::Entry) {
        self.statistics.stale_completions += 1;
        if let Some(number) = cqueue::buffer_select(entry.flags()) {
            self.give_back(number);
        }
    }

    /// The ring that a buffer of this number of the kernel's is from, and its number there.
    #[inline]
    fn ring_of(&mut self, number: u16) -> (&mut BufferRing, u16) {
        match &mut self.message_buffers {
            Some(messages) if number & MESSAGE_BIT != 0 => (messages, number & !MESSAGE_BIT),
            _ => (&mut self.buffers, number),
        }
    }

    #[inline]
    fn note_filled(&mut self, number: u16, length: u32) -> BufferId {
        let (ring, index) = self.ring_of(number);
        ring.note_filled(index, length);
        let mark = if number & MESSAGE_BIT != 0 { BufferId::MESSAGE } else { 0 };
        BufferId(u32::from(index) | mark)
    }

    #[cold]
    fn give_back(&mut self, number: u16) {
        let (ring, index) = self.ring_of(number);
        ring.give_back(index);
    }

    /// Takes the news that a receive has found no buffer. Those for messages become more.
    #[cold]
    fn take_shortage(&mut self, choice: u16) {
        self.statistics.buffer_shortages += 1;
        if let Some(messages) = self.message_buffers.as_mut().filter(|_| choice == CHOOSES_MESSAGES) {
            messages.grow();
        }
    }

    #[cold]
    fn take_internal(&mut self, token: Token, result: i32, more: bool) {
        match token.kind() {
            kind::CANCEL => self.take_cancel(token.with_kind(kind::OPERATION), result),
            kind::UNPARK => {
                self.unpark_armed = more;
                self.called = true;
                self.unpark.clear();
            }
            _ => self.statistics.stale_completions += 1,
        }
    }

    /// Takes the answer to a request to cancel `token`. Only what the operation itself answers counts, but if the
    /// request did not reach it, or may have had no effect, it is to be repeated.
    pub(crate) fn take_cancel(&mut self, token: Token, result: i32) {
        // Nor is it enough that a thread of the kernel was at work on it and was interrupted (`EALREADY`). That ends it, if it
        // waits; but not what it does before it waits, nor what the kernel then lets go on without that thread.
        if result >= 0 || planted("unfound cancel not repeated") {
            return;
        }
        if let Some(failures) = self.operations.cancel_failed(token) {
            self.retries.schedule(token, failures, self.turn, Instant::now());
        }
    }
}

/// The result to hand out for what the kernel says.
#[inline]
fn judge(result: i32, operation: Known) -> i32 {
    // A worker thread of the kernel that was interrupted, mostly for the sake of a cancel, has done nothing.
    match result {
        0.. => result,
        _ if !is_interruption(result) => result,
        _ if operation.cancel_asked => -libc::ECANCELED,
        _ => -libc::EINTR,
    }
}
