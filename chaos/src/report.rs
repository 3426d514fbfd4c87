//! What was done in a run.

use crate::{Decision, Fault, Kind};
use anyio_driver::{CallKind, Completion, OpKind, Ruling};
use std::{collections::BTreeMap, error::Error, fmt, io, time::Duration};

/// Decisions beyond so many are counted only.
const KEPT: usize = 100_000;

/// What has happened in the runs of one [`Chaos`](crate::Chaos).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub(crate) runs: u64,
    pub(crate) operations: u64,
    pub(crate) calls: BTreeMap<Kind, u64>,
    pub(crate) counts: BTreeMap<(Fault, Kind), u64>,
    pub(crate) errors: BTreeMap<(Kind, i32), u64>,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) fingerprint: Fingerprint,
}

impl Report {
    /// How many operations were submitted.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// How many calls of a kind were about to be made.
    pub fn calls(&self, kind: CallKind) -> u64 {
        self.calls.get(&kind.into()).copied().unwrap_or(0)
    }

    /// How often something has happened.
    pub fn count(&self, fault: Fault) -> u64 {
        self.counts.iter().filter(|((known, _), _)| *known == fault).map(|(_, count)| count).sum()
    }

    /// How often something has happened to operations, or to calls, of a kind.
    pub fn count_of(&self, kind: impl Into<Kind>, fault: Fault) -> u64 {
        self.counts.get(&(fault, kind.into())).copied().unwrap_or(0)
    }

    /// How often operations, or calls, of a kind were made to fail with an error of this number.
    pub fn failures(&self, kind: impl Into<Kind>, error: i32) -> u64 {
        self.errors.get(&(kind.into(), error)).copied().unwrap_or(0)
    }

    /// What was done, in its order, as far as it depended on the seed.
    pub fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// A number made of all answers that were given and all that was ruled of calls, in their order, each with its time on the
    /// virtual clock, the kind of its operation or call, that one's number among those of its kind, and its result. Two runs of the same that differ anywhere differ here.
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint.0
    }

    pub(crate) fn note(&mut self, decision: Decision) {
        *self.counts.entry((decision.fault, decision.kind)).or_default() += 1;
        if self.decisions.len() < KEPT {
            self.decisions.push(decision);
        }
    }

    pub(crate) fn note_failure(&mut self, kind: Kind, error: i32) {
        *self.errors.entry((kind, error)).or_default() += 1;
    }

    pub(crate) fn note_call(&mut self, kind: CallKind, time: Duration, number: u64, ruling: Ruling) {
        *self.calls.entry(kind.into()).or_default() += 1;
        self.fingerprint.note_call(time, kind, number, ruling);
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.runs += other.runs;
        self.operations += other.operations;
        for (kind, count) in &other.calls {
            *self.calls.entry(*kind).or_default() += count;
        }
        for (fault, count) in &other.counts {
            *self.counts.entry(*fault).or_default() += count;
        }
        for (failure, count) in &other.errors {
            *self.errors.entry(*failure).or_default() += count;
        }
        let room = KEPT - self.decisions.len();
        self.decisions.extend(other.decisions.iter().take(room));
        self.fingerprint.mix(other.fingerprint.0);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} operations, {} calls", self.operations, self.calls.values().sum::<u64>())?;
        for &fault in Fault::ALL {
            match self.count(fault) {
                0 => {}
                count => write!(f, ", {count} {fault}")?,
            }
        }
        for ((kind, error), count) in &self.errors {
            write!(f, ", {count} times {}: {}", kind.name(), io::Error::from_raw_os_error(*error))?;
        }
        Ok(())
    }
}

/// A hash of a sequence of numbers (FNV-1a over words).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    fn mix(&mut self, word: u64) {
        // Rotated, since multiplication alone never brings high bits down.
        self.0 = (self.0 ^ word).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(23);
    }

    fn note_call(&mut self, time: Duration, kind: CallKind, number: u64, ruling: Ruling) {
        self.mix(time.as_nanos() as u64);
        self.mix(Kind::Call(kind).place());
        self.mix(number);
        self.mix(match ruling {
            Ruling::Make => 0,
            Ruling::MakeShorter(length) => length as u64,
            Ruling::Refuse(error) | Ruling::MakeAndFail(error) => -i64::from(error) as u64,
        });
    }

    pub(crate) fn note(&mut self, time: Duration, kind: OpKind, number: u64, completion: &Completion) {
        self.mix(time.as_nanos() as u64);
        self.mix(kind as u64);
        // Not the token: how often its slot was used depends on waits for threads, too.
        self.mix(number);
        // A descriptor's number depends on what else the process has open.
        let result = if completion.brought().is_some() { 0 } else { completion.result };
        self.mix(result as u64);
    }
}

/// Something that was asked for has not happened, so the run has not tested what it was to test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed(pub(crate) Vec<String>);

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "faults that were asked for have not happened: {}", self.0.join(", "))
    }
}

impl Error for Missed {}
