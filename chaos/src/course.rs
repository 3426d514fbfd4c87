//! What is decided for one operation when it is submitted.

use crate::{
    Action, Chaos, Decision, Fault, Kind, Submission,
    chaos::reads_or_writes,
    dice::{happens, roll},
    errors,
    reset::is_regular_file,
};
use anyio_driver::{Op, OpKind};
use std::{collections::BTreeMap, os::fd::RawFd, time::Duration};

/// Answers are at most so many turns late.
const LATEST: u64 = 4;

/// A receive that goes on by itself ends after at most so many answers.
const LONGEST: u64 = 4;

/// Decides for each operation.
pub(crate) struct Plan {
    chaos: Chaos,
    /// How many operations and calls of each kind there were.
    numbers: BTreeMap<Kind, u64>,
}

/// What happens to one operation, if it comes to that.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Course {
    pub(crate) refusal: Option<Refusal>,
    pub(crate) short: bool,
    /// By how many turns its answers are late.
    pub(crate) late: u64,
    /// How much later it is begun.
    pub(crate) slow: Option<Duration>,
    pub(crate) scribbled: bool,
    pub(crate) late_cancel: Option<u64>,
    pub(crate) slow_cancel: Option<u64>,
    pub(crate) unfound_cancel: bool,
    pub(crate) interrupted_by_cancel: bool,
    /// After how many answers it ends.
    pub(crate) ends_after: Option<u64>,
    pub(crate) reset: bool,
}

/// Why an operation is not submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// This kind is not known.
    Missing,
    /// With this error, by this decision, or because it was asked for.
    Error(i32, Option<Fault>),
}

impl Plan {
    pub(crate) fn new(chaos: Chaos) -> Self {
        Self { chaos, numbers: BTreeMap::new() }
    }

    pub(crate) fn chaos(&self) -> &Chaos {
        &self.chaos
    }

    /// The operation's number, and what happens to it.
    pub(crate) fn decide(&mut self, op: &Op) -> (u64, Course) {
        let kind = op.kind();
        let number = self.number(kind.into());
        (number, self.course(op, kind, number))
    }

    /// The number of another one of this kind.
    pub(crate) fn number(&mut self, kind: Kind) -> u64 {
        let number = self.numbers.entry(kind).or_default();
        *number += 1;
        *number
    }

    /// With which error this one was to fail, if it was.
    pub(crate) fn failure(&self, kind: Kind, number: u64) -> Option<i32> {
        let failures = &self.chaos.failures;
        failures
            .iter()
            .find(|failure| (failure.kind, failure.number) == (kind, number))
            .map(|failure| failure.error)
    }

    /// What the rules say of this one.
    pub(crate) fn action(&self, submission: &Submission) -> Option<Action> {
        self.chaos.rules.iter().find_map(|rule| rule(submission))
    }

    fn course(&self, op: &Op, op_kind: OpKind, number: u64) -> Course {
        if self.chaos.missing.contains(&op_kind) {
            return Course { refusal: Some(Refusal::Missing), ..Course::default() };
        }
        let kind = Kind::Operation(op_kind);
        if let Some(error) = self.failure(kind, number) {
            return Course::refused(error, None);
        }
        let (descriptor, length) = Course::subject(op);
        match self.action(&Submission { kind, number, descriptor, length }) {
            Some(Action::Fail(error)) => return Course::refused(error, None),
            Some(Action::FailLate { error, turns }) => {
                return Course { late: turns.into(), ..Course::refused(error, None) };
            }
            Some(Action::Shorten) => return Course { short: true, ..Course::default() },
            Some(Action::Delay(late)) => return Course { late: late.into(), ..Course::default() },
            Some(Action::Slow(time)) => return Course { slow: Some(time), ..Course::default() },
            Some(Action::Spare) => return Course::default(),
            None => {}
        }
        if let Some((error, fault)) = self.refusal(op, op_kind, number) {
            return Course { late: self.late(kind, number), ..Course::refused(error, Some(fault)) };
        }
        let amount = |fault, below| {
            self.wants(kind, number, fault).then(|| 1 + self.amount(kind, number, fault, below))
        };
        Course {
            refusal: None,
            short: self.wants(kind, number, Fault::Short),
            late: self.late(kind, number),
            slow: self.slow(op, number),
            scribbled: self.wants(kind, number, Fault::Scribbled),
            late_cancel: amount(Fault::LateCancel, LATEST),
            slow_cancel: amount(Fault::SlowCancel, LATEST),
            unfound_cancel: self.wants(kind, number, Fault::UnfoundCancel),
            interrupted_by_cancel: errors::can_be_interrupted(op_kind)
                && self.wants(kind, number, Fault::InterruptedByCancel),
            ends_after: amount(Fault::Ended, LONGEST).filter(|_| goes_on(op_kind)),
            reset: op_kind == OpKind::Accept && self.wants(kind, number, Fault::Reset),
        }
    }

    fn refusal(&self, op: &Op, op_kind: OpKind, number: u64) -> Option<(i32, Fault)> {
        let kind = Kind::Operation(op_kind);
        let usual = errors::usual(op_kind);
        if !usual.is_empty() && self.wants(kind, number, Fault::Error) {
            let choice = self.amount(kind, number, Fault::Error, usual.len() as u64);
            return Some((usual[choice as usize], Fault::Error));
        }
        if errors::can_be_interrupted(op_kind) && self.wants(kind, number, Fault::Interrupted) {
            return Some((libc::EINTR, Fault::Interrupted));
        }
        if asks_not_to_wait(op) && self.wants(kind, number, Fault::WouldBlock) {
            return Some((libc::EAGAIN, Fault::WouldBlock));
        }
        if goes_on(op_kind) && self.wants(kind, number, Fault::NoBuffers) {
            return Some((libc::ENOBUFS, Fault::NoBuffers));
        }
        None
    }

    /// How much later an operation is begun, if it is slow.
    fn slow(&self, op: &Op, number: u64) -> Option<Duration> {
        let kind = op.kind();
        let may_be = !reads_or_writes(kind) || Course::subject(op).0.is_some_and(is_regular_file);
        if !self.wants(kind.into(), number, Fault::Slow) || !may_be {
            return None;
        }
        let (least, most) = (*self.chaos.slowness.start(), *self.chaos.slowness.end());
        let span = u64::try_from((most - least).as_nanos()).unwrap_or(u64::MAX - 1);
        Some(least + Duration::from_nanos(self.amount(kind.into(), number, Fault::Slow, span + 1)))
    }

    fn late(&self, kind: Kind, number: u64) -> u64 {
        if self.wants(kind, number, Fault::Late) {
            1 + self.amount(kind, number, Fault::Late, LATEST)
        } else {
            0
        }
    }

    /// Whether something happens to this one, if it can.
    pub(crate) fn wants(&self, kind: Kind, number: u64, fault: Fault) -> bool {
        match &self.chaos.only {
            Some(only) => only.contains(&Decision { kind, number, fault }),
            None => happens(self.roll(kind, number, fault, 0), self.chaos.rate_for(kind, fault)),
        }
    }

    /// How much of something, below a bound.
    pub(crate) fn amount(&self, kind: Kind, number: u64, fault: Fault, below: u64) -> u64 {
        self.roll(kind, number, fault, 1) % below
    }

    fn roll(&self, kind: Kind, number: u64, fault: Fault, what: u64) -> u64 {
        roll(self.chaos.seed, &[kind.place(), number, fault as u64, what])
    }

    /// A length for an operation that is to have less than this one: often a single byte.
    pub(crate) fn length(&self, kind: Kind, number: u64, length: u64) -> u64 {
        let rolled = self.amount(kind, number, Fault::Short, u64::MAX);
        if rolled % 4 == 0 { 1 } else { 1 + (rolled >> 2) % (length - 1) }
    }
}

impl Course {
    fn refused(error: i32, fault: Option<Fault>) -> Self {
        Self { refusal: Some(Refusal::Error(error, fault)), ..Self::default() }
    }

    /// On which descriptor an operation is done, and how many bytes it is to transfer.
    pub(crate) fn subject(op: &Op) -> (Option<RawFd>, Option<u64>) {
        let length = match *op {
            Op::Receive { length, .. }
            | Op::Send { length, .. }
            | Op::Read { length, .. }
            | Op::Write { length, .. } => Some(length.into()),
            _ => None,
        };
        let descriptor = op.descriptor().filter(|_| op.kind() != OpKind::Status);
        (descriptor, length)
    }
}

/// Whether an operation has answers until it is stopped, into buffers that the driver chooses.
fn goes_on(kind: OpKind) -> bool {
    matches!(kind, OpKind::ReceiveMultishot | OpKind::ReceiveMessages)
}

fn asks_not_to_wait(op: &Op) -> bool {
    match *op {
        Op::Receive { flags, .. }
        | Op::Send { flags, .. }
        | Op::ReceiveMessage { flags, .. }
        | Op::SendMessage { flags, .. } => flags & libc::MSG_DONTWAIT != 0,
        _ => false,
    }
}
