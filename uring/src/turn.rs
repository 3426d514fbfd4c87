//! One turn: everything queued goes to the kernel, and what it has answered comes back.
//!
//! # Contract
//! Entries go into the submission queue only here. What they name is valid because [`Driver::submit`]'s caller
//! has promised so for operations, and because the driver's own entries name nothing but descriptors it holds.
//!
//! [`Driver::submit`]: anyio_driver::Driver::submit

use crate::{
    UringDriver,
    entry::entry_of,
    kind,
    ring::{Look, Pause},
};
use anyio_driver::{Completion, Token, Wait};
use io_uring::{opcode, types::Fd};
use std::{
    hint, io,
    mem::MaybeUninit,
    time::{Duration, Instant},
};

/// How long to wait when the kernel accepts nothing and answers nothing, in a turn that may wait at all.
const BREATH: Duration = Duration::from_millis(1);

/// How many completions are looked at together.
const BATCH: usize = 32;

/// How often in a row the kernel may refuse entries and answer nothing before the turn is ended.
const REFUSALS: u32 = 2;

impl UringDriver {
    /// See [`Driver::turn`](anyio_driver::Driver::turn).
    pub(crate) fn take_turn(&mut self, wait: Wait, completions: &mut Vec<Completion>) -> io::Result<()> {
        if self.ring.is_foreign() {
            return Err(io::Error::other("an io_uring can't be used in a child of fork"));
        }
        let before = completions.len();
        if let Some(source) = &self.source {
            source.end(&self.ring.completion());
        }
        self.prepare();
        self.hand_out_answered(completions);
        self.outgoing.send(|token, result| completions.push(Completion::new(token, result)));
        let are_awaited = self.at_once.are_awaited();
        let mut refusals = 0;
        loop {
            let look = self.fill();
            let is_last = self.queue.is_empty();
            let may_wait =
                is_last && !are_awaited && completions.len() == before && !self.ring.has_completions();
            let pause = if may_wait { self.pause(wait) } else { Pause::No };
            let entered = self.enter(look, pause);
            let reaped = self.reap(completions);
            if !self.at_once.is_empty() {
                self.conclude(completions);
            }
            match entered {
                Ok(consumed) if consumed >= look.queued => {
                    if is_last {
                        return Ok(());
                    }
                    refusals = 0;
                    continue;
                }
                Ok(consumed) if consumed > 0 => {
                    refusals = 0;
                    continue;
                }
                Ok(_) => {}
                Err(error) => match error.raw_os_error() {
                    Some(libc::ETIME | libc::EINTR) if is_last => return Ok(()),
                    Some(libc::EAGAIN | libc::EBUSY | libc::EINTR) => {}
                    _ => return Err(error),
                },
            }
            // The kernel is short of memory or of room for completions. With some taken, it may have room.
            if reaped > 0 {
                continue;
            }
            refusals += 1;
            if refusals > REFUSALS {
                return self.breathe(wait, completions.len() == before, completions);
            }
        }
    }

    /// Queues what the driver itself has to say.
    #[inline]
    fn prepare(&mut self) {
        self.tracker.turn += 1;
        self.tracker.buffers.refill();
        if let Some(messages) = &mut self.tracker.message_buffers {
            messages.refill();
        }
        if !self.tracker.retries.is_empty() {
            self.retry_cancels();
        }
        if !self.tracker.unpark_armed {
            self.arm_unpark();
        }
    }

    #[cold]
    fn retry_cancels(&mut self) {
        let mut due = Vec::new();
        self.tracker.retries.take_due(self.tracker.turn, Instant::now(), |token| due.push(token));
        for token in due {
            if self.tracker.operations.is_alive(token) {
                self.tracker.statistics.cancel_retries += 1;
                self.push_cancel(token);
            }
        }
    }

    #[cold]
    fn arm_unpark(&mut self) {
        let poll = opcode::PollAdd::new(Fd(self.tracker.unpark.event()), libc::POLLIN as u32).multi(true);
        let token = Token::new(0, 0).with_kind(kind::UNPARK);
        self.queue.push(poll.build().user_data(token.to_bits()));
        self.tracker.unpark_armed = true;
    }

    #[inline]
    fn hand_out_answered(&mut self, completions: &mut Vec<Completion>) {
        for completion in self.answered.drain(..) {
            self.tracker.operations.hand_out_answered(completion.token);
            completions.push(completion);
        }
    }

    /// Moves entries to the submission queue until it is full or there are no more.
    #[inline]
    fn fill(&mut self) -> Look {
        if !self.queue.is_empty() {
            // SAFETY: see the contract above.
            unsafe { self.queue.move_to(&mut self.ring.submission()) };
        }
        self.ring.look()
    }

    /// How long the kernel may keep us.
    fn pause(&self, wait: Wait) -> Pause {
        let retry = self.tracker.retries.earliest();
        let until = match (wait, retry) {
            (Wait::No, _) => return Pause::No,
            (Wait::Forever, None) => return Pause::Forever,
            (Wait::Forever, Some(until)) | (Wait::Until(until), None) => until,
            (Wait::Until(until), Some(retry)) => until.min(retry),
        };
        match until.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Pause::No,
            duration => Pause::For(duration),
        }
    }

    /// Enters the kernel if there is a reason to; gives how many entries it has consumed.
    #[inline]
    fn enter(&mut self, look: Look, pause: Pause) -> io::Result<u32> {
        if look.queued == 0 && pause == Pause::No && !look.hidden {
            return Ok(0);
        }
        match self.spin {
            Some(spin) if pause != Pause::No => self.spin_and_enter(look, pause, spin),
            _ => {
                self.tracker.statistics.enters += 1;
                self.ring.enter(look.queued, pause)
            }
        }
    }

    /// Submits, looks for completions for a while, and only then waits in the kernel.
    fn spin_and_enter(&mut self, look: Look, pause: Pause, spin: Duration) -> io::Result<u32> {
        let mut consumed = 0;
        if look.queued > 0 || look.hidden {
            self.tracker.statistics.enters += 1;
            consumed = self.ring.enter(look.queued, Pause::No)?;
            if consumed < look.queued {
                return Ok(consumed);
            }
        }
        let start = Instant::now();
        let spin = match pause {
            Pause::For(duration) => spin.min(duration),
            _ => spin,
        };
        let pause = loop {
            if self.ring.has_completions() {
                return Ok(consumed);
            }
            if self.ring.look().hidden {
                break Pause::No;
            }
            if start.elapsed() >= spin {
                break match pause {
                    Pause::For(duration) => match duration.saturating_sub(start.elapsed()) {
                        Duration::ZERO => return Ok(consumed),
                        rest => Pause::For(rest),
                    },
                    other => other,
                };
            }
            hint::spin_loop();
        };
        self.tracker.statistics.enters += 1;
        self.ring.enter(0, pause).map(|_| consumed)
    }

    /// Completes sends of which the kernel tells nothing since all was sent, if it has told of the others.
    #[inline]
    pub(crate) fn conclude(&mut self, completions: &mut Vec<Completion>) {
        if self.ring.look().queued == 0 && !self.ring.has_overflowed() {
            self.at_once.conclude(self.queue.first_number(), &mut self.tracker.operations, completions);
        }
    }

    /// Takes all completions there are and publishes that; gives how many there were, the driver's own included.
    #[inline]
    pub(crate) fn reap(&mut self, completions: &mut Vec<Completion>) -> usize {
        let mut queue = self.ring.completion();
        let mut count = 0;
        let mut batch = [const { MaybeUninit::uninit() }; BATCH];
        loop {
            let batch = queue.fill(&mut batch);
            // The kernel has been at work since anybody looked at these operations.
            for entry in &*batch {
                self.tracker.operations.prefetch(Token::from_bits(entry.user_data()));
            }
            completions.reserve(batch.len());
            for entry in &*batch {
                self.tracker.take(entry, completions);
            }
            count += batch.len();
            if batch.len() < BATCH {
                break;
            }
        }
        drop(queue);
        if self.tracker.zero_copy.is_some() {
            self.send_again();
        }
        count
    }

    /// Queues what the kernel has refused to send without a copy, to be sent with one.
    #[cold]
    fn send_again(&mut self) {
        let Some(zero_copy) = &mut self.tracker.zero_copy else { return };
        for (token, op) in zero_copy.take_again() {
            let number = self.queue.push(entry_of(op).user_data(token.to_bits()));
            self.tracker.operations.start(token, number, 0);
        }
    }

    /// Ends a turn in which the kernel accepts nothing, without letting the caller run in circles.
    #[cold]
    fn breathe(&mut self, wait: Wait, is_idle: bool, completions: &mut Vec<Completion>) -> io::Result<()> {
        let pause = match self.pause(wait) {
            Pause::No => return Ok(()),
            _ if !is_idle => return Ok(()),
            Pause::For(duration) => Pause::For(duration.min(BREATH)),
            Pause::Forever => Pause::For(BREATH),
        };
        self.tracker.statistics.enters += 1;
        let entered = self.ring.enter(0, pause);
        self.reap(completions);
        match entered {
            Ok(_) => Ok(()),
            Err(error) => match error.raw_os_error() {
                Some(libc::ETIME | libc::EINTR | libc::EAGAIN | libc::EBUSY) => Ok(()),
                _ => Err(error),
            },
        }
    }
}
