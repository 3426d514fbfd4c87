//! The driver that lies, in front of one that does not.
//!
//! # Contract
//! What is submitted here is submitted below, for less or not at all; so the caller's promise to [`Driver::submit`] is the
//! one that is made below. What a shortened operation names in addition lies in its [`Flight`], which is kept until the
//! operation below has ended. Memory that an operation fills is only touched between its end below and the moment its final
//! completion is handed out.

mod cancelling;
mod slow;

use crate::{
    Chaos, Decision, Fault, Kind, Missed, Report,
    calls::Verdict,
    course::{Course, Plan, Refusal},
    errors,
    held::Held,
    reset,
    shortening::{Memory, shorten},
};
use anyio_driver::{
    BufferId, BufferPool, Call, Capabilities, Chunk, Completion, CompletionFlags, Driver, DriverStatistics,
    Op, OpKind, Rest, Ruling, Token, Unparker, Wait,
};
use std::{
    fmt, io, mem,
    os::fd::{FromRawFd, OwnedFd, RawFd},
    time::{Duration, Instant},
};

/// So long a turn that may wait gives other answers time to overtake those that are held.
const MOMENT: Duration = Duration::from_micros(100);

/// A driver in front of another, which does by a seed what an operating system may do.
pub struct ChaosDriver<D: Driver> {
    pub(crate) driver: D,
    plan: Plan,
    /// By the index of their tokens.
    flights: Vec<Option<Flight>>,
    held: Vec<Held>,
    /// Cancellations that go below in the turns with these numbers.
    cancels: Vec<(Token, u64)>,
    /// How many operations have ended below, or never were there, whose final answers are held.
    answered: usize,
    turn: u64,
    arrived: Vec<Completion>,
    report: Report,
    /// The time that has passed on a virtual clock.
    time: Duration,
    /// When the run has begun, on the real clock.
    begun: Option<Instant>,
    /// How many operations are slow, and not submitted below yet.
    slow: usize,
    /// Whether the driver below wants to hear of calls, too.
    rules_below: bool,
}

/// An operation that has no final answer yet.
struct Flight {
    token: Token,
    kind: OpKind,
    number: u64,
    descriptor: Option<RawFd>,
    /// What it fills, if that is one piece of memory.
    fills: Option<*mut u8>,
    course: Course,
    stage: Stage,
    cancelled: bool,
    answers: u64,
    _memory: Memory,
}

enum Stage {
    /// It is submitted below at this time.
    Slow(Op, Duration),
    /// The driver below has it.
    Below,
    /// The same, and it was told to end: what has come since, to be handed out with the end.
    Ending(Vec<Completion>),
    /// Its final answer is held.
    Answered,
}

impl<D: Driver> ChaosDriver<D> {
    /// Puts this in front of a driver.
    pub fn new(driver: D, chaos: &Chaos) -> Self {
        let rules_below = driver.capabilities().rules_calls;
        Self {
            driver,
            plan: Plan::new(chaos.clone()),
            flights: Vec::new(),
            held: Vec::new(),
            cancels: Vec::new(),
            answered: 0,
            turn: 0,
            arrived: Vec::new(),
            report: Report { runs: 1, ..Report::default() },
            time: Duration::ZERO,
            begun: Some(Instant::now()),
            slow: 0,
            rules_below,
        }
    }

    /// The driver below.
    pub fn get_ref(&self) -> &D {
        &self.driver
    }

    /// What has happened in this run so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Whether everything that was asked for has happened.
    ///
    /// # Errors
    /// If not, with what has not.
    pub fn check(&self) -> Result<(), Missed> {
        self.plan.chaos().check(&self.report)
    }

    fn flight(&mut self, token: Token) -> Option<&mut Flight> {
        self.flights.get_mut(token.index() as usize)?.as_mut().filter(|flight| flight.token == token)
    }

    fn note(&mut self, kind: impl Into<Kind>, number: u64, fault: Fault) {
        self.report.note(Decision { kind: kind.into(), number, fault });
    }

    /// Takes an operation in that is not submitted.
    fn refuse(&mut self, mut flight: Flight, refusal: Refusal) {
        let mut completion = Completion::new(flight.token, -libc::EOPNOTSUPP);
        match refusal {
            Refusal::Missing => completion.flags = CompletionFlags::UNSUPPORTED,
            Refusal::Error(error, fault) => {
                completion.result = -error;
                if let Some(fault) = fault {
                    self.note(flight.kind, flight.number, fault);
                }
                if matches!(fault, None | Some(Fault::Error)) {
                    self.report.note_failure(flight.kind.into(), error);
                    if let (true, Some(fd)) = (errors::loses_connection(error), flight.descriptor) {
                        reset::lose(fd, error);
                    }
                }
            }
        }
        if flight.course.late > 0 && matches!(refusal, Refusal::Error(_, Some(_))) {
            self.note(flight.kind, flight.number, Fault::Late);
        }
        let due = self.turn + flight.course.late;
        flight.stage = Stage::Answered;
        self.answered += 1;
        self.keep(flight);
        self.held.push(Held::new(completion, due));
    }

    fn keep(&mut self, flight: Flight) {
        let index = flight.token.index() as usize;
        if self.flights.len() <= index {
            self.flights.resize_with(index + 1, || None);
        }
        self.flights[index] = Some(flight);
    }

    /// Takes in what has arrived from below, in its order, and what arrives because of that.
    fn take_arrived(&mut self) {
        let mut batch = Vec::new();
        while !self.arrived.is_empty() {
            mem::swap(&mut batch, &mut self.arrived);
            for completion in batch.drain(..) {
                self.take_in(completion);
            }
        }
    }

    /// Takes in one answer. What it makes arrive is still to be taken in.
    fn take_in(&mut self, completion: Completion) {
        let Some(flight) = self.flight(completion.token) else {
            return self.held.push(Held::new(completion, self.turn));
        };
        flight.answers += 1;
        let is_final = completion.is_final();
        if let Stage::Ending(answers) = &mut flight.stage {
            answers.push(completion);
            if is_final {
                self.end(completion.token);
            }
            return;
        }
        if !is_final && flight.course.ends_after == Some(flight.answers) && !flight.cancelled {
            flight.stage = Stage::Ending(vec![completion]);
            // What has arrived with this one comes before that.
            return self.driver.withdraw(completion.token, &mut self.arrived);
        }
        self.hold(completion);
    }

    /// Holds an answer until it is to be handed out.
    fn hold(&mut self, mut completion: Completion) {
        let turn = self.turn;
        let Some(flight) = self.flight(completion.token) else { return };
        let (kind, number, course) = (flight.kind, flight.number, flight.course);
        let (fills, is_first, cancelled) = (flight.fills, flight.answers <= 1, flight.cancelled);
        if completion.is_final() {
            flight.stage = Stage::Answered;
            self.answered += 1;
        }
        if course.interrupted_by_cancel && cancelled && completion.result == -libc::ECANCELED {
            completion.result = -libc::EINTR;
            self.note(kind, number, Fault::InterruptedByCancel);
        }
        let mut held = Held::new(completion, turn + course.late);
        if course.late > 0 && is_first {
            self.note(kind, number, Fault::Late);
        }
        if let (true, true, Some(pointer), 1..) =
            (course.late > 0, course.scribbled, fills, completion.result)
        {
            // SAFETY: a receive or read has filled so much of its memory, and this is its only answer.
            unsafe { held.scribble(pointer, completion.result as usize) };
            self.note(kind, number, Fault::Scribbled);
        }
        if let (true, Some(fd)) = (course.reset, completion.brought()) {
            reset::reset(fd);
            self.note(kind, number, Fault::Reset);
        }
        self.held.push(held);
    }

    /// Makes it look as if an operation had ended by itself that was told to.
    fn end(&mut self, token: Token) {
        let Some(flight) = self.flight(token) else { return };
        let Stage::Ending(mut answers) = mem::replace(&mut flight.stage, Stage::Below) else { return };
        let (kind, number, cancelled) = (flight.kind, flight.number, flight.cancelled);
        let was_stopped = answers.last().is_some_and(|last| last.result == -libc::ECANCELED);
        if was_stopped && !cancelled {
            self.note(kind, number, Fault::Ended);
            if self.plan.amount(kind.into(), number, Fault::Ended, 2) == 0 {
                answers.pop();
                if let Some(last) = answers.last_mut() {
                    last.flags.remove(CompletionFlags::MORE);
                }
            } else if let Some(last) = answers.last_mut() {
                last.result = -libc::ENOBUFS;
            }
        }
        answers.into_iter().for_each(|completion| self.hold(completion));
    }

    /// Hands out the answers for which `is_wanted` is true.
    fn hand_out(&mut self, completions: &mut Vec<Completion>, is_wanted: impl Fn(&Held) -> bool) {
        let mut withheld: Vec<Token> = Vec::new();
        for held in mem::take(&mut self.held) {
            // The answers of one operation do not overtake each other.
            let token = held.completion.token;
            if is_wanted(&held) && !withheld.contains(&token) {
                let completion = self.give(held);
                completions.push(completion);
            } else {
                if !held.completion.is_final() {
                    withheld.push(token);
                }
                self.held.push(held);
            }
        }
    }

    fn give(&mut self, held: Held) -> Completion {
        // SAFETY: memory that was written over belongs to an operation whose final completion is this.
        let completion = unsafe { held.into_completion() };
        let named = self.flight(completion.token).map(|flight| (flight.kind, flight.number));
        if let Some((kind, number)) = named {
            self.report.fingerprint.note(self.time, kind, number, &completion);
            if completion.is_final() {
                self.flights[completion.token.index() as usize] = None;
                self.answered -= 1;
                // What is still on its way was for this one, and not for what has its name next.
                self.cancels.retain(|(token, _)| *token != completion.token);
            }
        }
        completion
    }

    /// The next turn in which something kept back is due.
    fn earliest(&self) -> Option<u64> {
        let held = self.held.iter().map(|held| held.due);
        held.chain(self.cancels.iter().map(|(_, at)| *at)).min()
    }

    /// Turns the driver below and takes in what that brings.
    fn look(&mut self, wait: Wait, completions: &mut Vec<Completion>) -> io::Result<()> {
        let turned = self.driver.turn(wait, &mut self.arrived);
        self.take_arrived();
        let turn = self.turn;
        self.hand_out(completions, |held| held.due <= turn);
        turned
    }
}

// What is submitted for the next turn is not left to the turn below, which would sleep on what was done as a whole there and is told
// as something else here.
impl<D: Driver> Driver for ChaosDriver<D> {
    unsafe fn submit(&mut self, token: Token, op: Op) {
        self.report.operations += 1;
        let (number, course) = self.plan.decide(&op);
        let kind = op.kind();
        let fills = match op {
            Op::Receive { pointer, .. } | Op::Read { pointer, .. } => Some(pointer),
            _ => None,
        };
        let mut flight = Flight {
            token,
            kind,
            number,
            descriptor: Course::subject(&op).0,
            fills,
            course,
            stage: Stage::Below,
            cancelled: false,
            answers: 0,
            _memory: Memory::default(),
        };
        if let Some(refusal) = course.refusal {
            return self.refuse(flight, refusal);
        }
        let mut below = op;
        if course.short {
            // SAFETY: the caller's promise; the memory is kept with the flight.
            let shortened = unsafe { shorten(op, |length| self.plan.length(kind.into(), number, length)) };
            if let Some(shortened) = shortened {
                below = shortened.op;
                flight._memory = shortened.memory;
                self.note(kind, number, Fault::Short);
            }
        }
        if let Some(time) = course.slow {
            self.note(kind, number, Fault::Slow);
            flight.stage = Stage::Slow(below, self.now().saturating_add(time));
            self.slow += 1;
            return self.keep(flight);
        }
        self.keep(flight);
        // SAFETY: the caller's promise, and what is named in addition is kept.
        unsafe { self.driver.submit(token, below) };
    }

    fn take_answer(&mut self, token: Token) -> Option<Completion> {
        if self.keeps_back(token) {
            return None;
        }
        if let Some(completion) = self.driver.take_answer(token) {
            self.arrived.push(completion);
            self.take_arrived();
        }
        let (last, before) = self.held.split_last()?;
        let is_due = last.due <= self.turn && last.completion.is_final();
        // Of several answers the last must not overtake the others.
        if last.completion.token != token
            || !is_due
            || before.iter().any(|held| held.completion.token == token)
        {
            return None;
        }
        let last = self.held.pop()?;
        Some(self.give(last))
    }

    fn cancel(&mut self, token: Token) {
        let turn = self.turn;
        let Some(flight) = self.flight(token) else { return self.driver.cancel(token) };
        if matches!(flight.stage, Stage::Answered) || mem::replace(&mut flight.cancelled, true) {
            return;
        }
        let (kind, number, course) = (flight.kind, flight.number, flight.course);
        if let Some(turns) = course.late_cancel {
            self.note(kind, number, Fault::LateCancel);
            return self.cancels.push((token, turn + turns));
        }
        if let Some(turns) = course.slow_cancel {
            flight.course.late += turns;
            self.note(kind, number, Fault::SlowCancel);
        }
        self.cancel_below(token);
    }

    fn withdraw(&mut self, token: Token, completions: &mut Vec<Completion>) {
        self.cancels.retain(|(other, _)| *other != token);
        let Some(flight) = self.flight(token) else { return self.driver.withdraw(token, completions) };
        let was_cancelled = mem::replace(&mut flight.cancelled, true);
        let (kind, number, slow) = (flight.kind, flight.number, flight.course.slow_cancel);
        let is_slow = matches!(flight.stage, Stage::Slow(..));
        if is_slow {
            self.end_slow(token);
        } else if !matches!(flight.stage, Stage::Answered) {
            if let (true, Some(turns)) = (errors::is_done_by_threads(kind), slow) {
                flight.course.late += turns;
                if !was_cancelled {
                    self.note(kind, number, Fault::SlowCancel);
                }
                return self.driver.cancel(token);
            }
            self.driver.withdraw(token, &mut self.arrived);
            self.take_arrived();
        }
        self.hand_out(completions, |held| held.completion.token == token);
    }

    fn forget(&mut self, fd: RawFd) {
        self.driver.forget(fd);
    }

    fn before_call(&mut self, call: &Call) -> Ruling {
        let (number, Verdict { ruling, fault }) = self.plan.rule(call);
        self.report.note_call(call.kind, self.time, number, ruling);
        if let Some(fault) = fault {
            self.note(call.kind, number, fault);
        }
        match ruling {
            Ruling::Refuse(error) | Ruling::MakeAndFail(error) => {
                if matches!(fault, None | Some(Fault::Error)) {
                    self.report.note_failure(call.kind.into(), error);
                    if let (true, Some(fd)) = (errors::loses_connection(error), call.fd) {
                        reset::lose(fd, error);
                    }
                }
                ruling
            }
            Ruling::Make if self.rules_below => self.driver.before_call(call),
            Ruling::Make | Ruling::MakeShorter(_) => ruling,
        }
    }

    fn turn(&mut self, wait: Wait, completions: &mut Vec<Completion>) -> io::Result<()> {
        self.turn += 1;
        self.submit_slow();
        self.send_cancels();
        let wait = self.wait_for_slow(wait);
        if wait == Wait::No || self.earliest().is_none() {
            return self.look(wait, completions);
        }
        let before = completions.len();
        let moment = Instant::now() + MOMENT;
        let until = match wait {
            Wait::Until(until) => until.min(moment),
            Wait::No | Wait::Forever => moment,
        };
        self.look(Wait::Until(until), completions)?;
        if completions.len() > before {
            return Ok(());
        }
        // Nothing else happens, so what is kept back comes now.
        self.turn = self.earliest().unwrap_or(0).max(self.turn);
        self.send_cancels();
        self.look(Wait::No, completions)
    }

    fn event_source(&mut self) -> io::Result<OwnedFd> {
        self.driver.event_source()
    }

    fn rest(&mut self) -> Rest {
        // Nothing tells of what is kept back but a turn.
        if self.earliest().is_some() {
            return Rest::No;
        }
        match (self.driver.rest(), self.next_slow()) {
            (Rest::Until(until), Some(slow)) => {
                Rest::Until(Some(until.map_or(slow, |until| until.min(slow))))
            }
            (rest, _) => rest,
        }
    }

    fn in_flight(&self) -> usize {
        self.driver.in_flight() + self.answered + self.slow
    }

    fn unparker(&self) -> Unparker {
        self.driver.unparker()
    }

    fn take_buffer(&mut self, buffer: BufferId, length: usize) -> Chunk {
        self.driver.take_buffer(buffer, length)
    }

    fn pool(&self) -> &BufferPool {
        self.driver.pool()
    }

    fn message_pool(&mut self) -> &BufferPool {
        self.driver.message_pool()
    }

    fn message_buffers_in_use(&self) -> usize {
        self.driver.message_buffers_in_use()
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = self.driver.capabilities();
        capabilities.multishot_receive &= self.supports(OpKind::ReceiveMultishot);
        capabilities.pooled_receive &= self.supports(OpKind::ReceivePooled);
        capabilities.prefers_pooled_receive &= capabilities.pooled_receive;
        capabilities.rules_calls = true;
        capabilities
    }

    fn supports(&self, kind: OpKind) -> bool {
        !self.plan.chaos().missing.contains(&kind) && self.driver.supports(kind)
    }

    fn statistics(&self) -> DriverStatistics {
        self.driver.statistics()
    }
}

impl<D: Driver> Drop for ChaosDriver<D> {
    fn drop(&mut self) {
        for held in self.held.drain(..) {
            if let Some(number) = held.completion.brought() {
                // SAFETY: the operation has made it, and nobody else has been told of it.
                drop(unsafe { OwnedFd::from_raw_fd(number) });
            }
        }
        self.plan.chaos().note_run(&self.report);
    }
}

impl<D: Driver> fmt::Debug for ChaosDriver<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChaosDriver").field("held", &self.held.len()).finish_non_exhaustive()
    }
}
