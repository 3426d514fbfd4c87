//! What is to happen.

use crate::{Decision, Fault, Kind, Missed, Report, UnknownDecision};
use anyio_driver::OpKind;
use std::{
    collections::{BTreeMap, HashSet},
    fmt, io,
    ops::RangeInclusive,
    os::fd::RawFd,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// What is to happen to the operations of a run, and to the calls that it makes beside them, by a seed.
///
/// What [`Chaos::seed`] gives is ugly: everything happens, and often. It can be tamed by [`rate`](Self::rate) and
/// [`unnoticed`](Self::unnoticed); [`Chaos::none`] begins with nothing.
///
/// Clones share their [`report`](Self::report).
#[derive(Clone)]
#[must_use = "it does nothing by itself"]
pub struct Chaos {
    pub(crate) seed: u64,
    pub(crate) rates: [f64; Fault::ALL.len()],
    /// Those that texts want to happen each time.
    always: Vec<Fault>,
    /// Those for operations or calls of a kind.
    rates_of: BTreeMap<(Kind, Fault), f64>,
    /// Those whose rates were set, and that therefore have to happen.
    asked: Vec<Fault>,
    asked_of: Vec<(Kind, Fault)>,
    pub(crate) slowness: RangeInclusive<Duration>,
    pub(crate) only: Option<Arc<HashSet<Decision>>>,
    pub(crate) failures: Vec<Failure>,
    pub(crate) rules: Vec<Rule>,
    pub(crate) missing: Vec<OpKind>,
    report: Arc<Mutex<Report>>,
}

pub(crate) type Rule = Arc<dyn Fn(&Submission) -> Option<Action> + Send + Sync>;

/// That one operation is to fail.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) number: u64,
    pub(crate) error: i32,
    required: bool,
}

/// An operation, or a call that the runtime is about to make, as rules see it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Submission {
    /// Its kind. It can be compared with an [`OpKind`] and with a [`CallKind`](anyio_driver::CallKind).
    pub kind: Kind,
    /// Its number among those of its kind, from 1 on.
    pub number: u64,
    /// The descriptor on which it is done, if it is one.
    pub descriptor: Option<RawFd>,
    /// How many bytes it is to transfer at most, if it says so in one number.
    pub length: Option<u64>,
}

/// What a rule has done to an operation, or to a call. What a call has to say it says at once: it is not delayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// It fails with this error of the operating system, and nothing happens.
    Fail(i32),
    /// The same, and the answer comes some turns later.
    FailLate {
        /// The error of the operating system.
        error: i32,
        /// How many turns later.
        turns: u32,
    },
    /// It transfers less, if it can.
    Shorten,
    /// Its answer comes so many turns later.
    Delay(u32),
    /// It is only begun so much later, on the clock of the run: see [`Fault::Slow`]. What is asked of the system at once is not
    /// slow, so a rule for reads of files or for streams refuses that with `EAGAIN`, by which it becomes an operation.
    Slow(Duration),
    /// Nothing: it is left alone, whatever the rates say.
    Spare,
}

impl Chaos {
    /// Everything, as often as is usual, by this seed.
    pub fn seed(seed: u64) -> Self {
        let mut rates = [0.0; Fault::ALL.len()];
        for (rate, fault) in rates.iter_mut().zip(Fault::ALL) {
            *rate = fault.usual_rate();
        }
        Self { seed, rates, ..Self::none() }
    }

    /// Nothing but what is asked for.
    pub fn none() -> Self {
        Self {
            seed: 0,
            rates: [0.0; Fault::ALL.len()],
            always: Vec::new(),
            rates_of: BTreeMap::new(),
            asked: Vec::new(),
            asked_of: Vec::new(),
            slowness: Duration::from_millis(100)..=Duration::from_secs(5),
            only: None,
            failures: Vec::new(),
            rules: Vec::new(),
            missing: Vec::new(),
            report: Arc::default(),
        }
    }

    /// The same by another seed, with a report of its own.
    pub fn reseed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self.report = Arc::default();
        self
    }

    /// Only what a program does not notice: no errors and no resets. A program's behaviour must be what it is without.
    pub fn unnoticed(mut self) -> Self {
        for (rate, fault) in self.rates.iter_mut().zip(Fault::ALL) {
            if fault.is_noticed() {
                *rate = 0.0;
            }
        }
        self.asked.retain(|fault| !fault.is_noticed());
        self.rates_of.retain(|(_, fault), _| !fault.is_noticed());
        self.asked_of.retain(|(_, fault)| !fault.is_noticed());
        self
    }

    /// How often something happens, where it can: from 0, never, to 1, always. If it is more than 0 and it does not happen
    /// all the same, the run says so by a [`Missed`].
    pub fn rate(mut self, fault: Fault, share: f64) -> Self {
        self.rates[fault as usize] = share;
        self.asked.retain(|asked| *asked != fault);
        if share > 0.0 {
            self.asked.push(fault);
        }
        self
    }

    /// The same for operations of a kind alone, or for calls: `rate_of(CallKind::Bind, Fault::Error, 0.5)`. What is said of a
    /// kind goes before what is said of all.
    pub fn rate_of(mut self, kind: impl Into<Kind>, fault: Fault, share: f64) -> Self {
        let place = (kind.into(), fault);
        self.rates_of.insert(place, share);
        self.asked_of.retain(|asked| *asked != place);
        if share > 0.0 {
            self.asked_of.push(place);
        }
        self
    }

    /// Has this share of all operations on files be [slow](Fault::Slow). What is read of a file does not come out of memory
    /// then. On a [virtual clock](https://docs.rs/anyio/latest/anyio/enum.Clock.html) the time passes at once.
    ///
    /// Calls on paths that worker threads make without the driver, such as changes of permissions, take no longer.
    pub fn slow_disk(self, share: f64) -> Self {
        self.slow(share, is_of_disk)
    }

    /// Has this share of all sends, receives and attempts to connect be [slow](Fault::Slow). None is done at once then.
    pub fn slow_network(self, share: f64) -> Self {
        self.slow(share, is_of_network)
    }

    fn slow(mut self, share: f64, is_slow: impl Fn(OpKind) -> bool) -> Self {
        let kinds = OpKind::ALL.iter().copied().filter(|kind| is_slow(*kind));
        self.rates_of.extend(kinds.map(|kind| ((kind.into(), Fault::Slow), share)));
        self
    }

    /// How long what is [slow](Fault::Slow) takes longer, by the seed: from 0.1 to 5 seconds unless something else is said.
    ///
    /// # Panics
    /// If there is nothing between these bounds.
    pub fn slowness(mut self, between: RangeInclusive<Duration>) -> Self {
        assert!(!between.is_empty(), "nothing is between the bounds");
        self.slowness = between;
        self
    }

    /// Whether some operations of a kind may be slow because of a rate.
    pub(crate) fn may_be_slow(&self, kind: OpKind) -> bool {
        self.rate_for(kind.into(), Fault::Slow) > 0.0
    }

    pub(crate) fn rate_for(&self, kind: Kind, fault: Fault) -> f64 {
        self.rates_of.get(&(kind, fault)).copied().unwrap_or(self.rates[fault as usize])
    }

    /// Has the `number`-th operation, or call, of a kind (from 1 on) fail with this error of the operating system, once. If the run
    /// does not come so far it says so by a [`Missed`].
    pub fn fail(mut self, kind: impl Into<Kind>, number: u64, error: i32) -> Self {
        let kind = kind.into();
        self.failures.push(Failure { kind, number, error, required: true });
        self
    }

    /// As [`fail`](Self::fail), for a run that need not come so far.
    pub fn fail_if_reached(mut self, kind: impl Into<Kind>, number: u64, error: i32) -> Self {
        let kind = kind.into();
        self.failures.push(Failure { kind, number, error, required: false });
        self
    }

    /// Asks `rule` of each operation and call what is to be done to it. The first rule that says something is followed; if none
    /// does, the rates are.
    pub fn rule(mut self, rule: impl Fn(&Submission) -> Option<Action> + Send + Sync + 'static) -> Self {
        self.rules.push(Arc::new(rule));
        self
    }

    /// As if this host did not know operations of a kind.
    pub fn without(mut self, kind: OpKind) -> Self {
        self.missing.push(kind);
        self
    }

    /// The same, but of all that depends on the seed only these decisions; with a report of its own.
    pub fn only(mut self, decisions: impl IntoIterator<Item = Decision>) -> Self {
        self.only = Some(Arc::new(decisions.into_iter().collect()));
        self.report = Arc::default();
        self
    }

    /// What has happened in the runs that have ended.
    pub fn report(&self) -> Report {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether all that was asked for is in the report of a run.
    pub(crate) fn check(&self, report: &Report) -> Result<(), Missed> {
        let rates = self.asked.iter().filter(|fault| self.only.is_none() && report.count(**fault) == 0);
        let is_missed = |(kind, fault): &&(Kind, Fault)| report.count_of(*kind, *fault) == 0;
        let of_kinds = self.asked_of.iter().filter(|place| self.only.is_none() && is_missed(place));
        let failures = self
            .failures
            .iter()
            .filter(|failure| failure.required && report.failures(failure.kind, failure.error) == 0);
        let missed: Vec<String> = rates
            .map(|fault| fault.to_string())
            .chain(of_kinds.map(|(kind, fault)| format!("{fault} of {}", kind.name())))
            .chain(failures.map(|Failure { kind, number, error, .. }| {
                let error = io::Error::from_raw_os_error(*error);
                format!("{} number {number} ({error})", kind.name())
            }))
            .collect();
        if missed.is_empty() { Ok(()) } else { Err(Missed(missed)) }
    }

    pub(crate) fn note_run(&self, report: &Report) {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).add(report);
    }
}

/// Whether an operation is one on files. Reads and writes may be of other things, too.
fn is_of_disk(kind: OpKind) -> bool {
    kind.is_on_files() || reads_or_writes(kind)
}

/// Whether it reads or writes what may be a file, or something else.
pub(crate) fn reads_or_writes(kind: OpKind) -> bool {
    matches!(kind, OpKind::Read | OpKind::Write | OpKind::ReadVectored | OpKind::WriteVectored)
}

fn is_of_network(kind: OpKind) -> bool {
    matches!(
        kind,
        OpKind::Receive
            | OpKind::ReceivePooled
            | OpKind::ReceiveMultishot
            | OpKind::ReceiveMessage
            | OpKind::ReceiveMessages
            | OpKind::Send
            | OpKind::SendMessage
            | OpKind::Connect
    )
}

impl fmt::Debug for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rates: Vec<_> = Fault::ALL.iter().zip(self.rates).filter(|(_, rate)| *rate > 0.0).collect();
        f.debug_struct("Chaos")
            .field("seed", &self.seed)
            .field("rates", &rates)
            .field("rates_of", &self.rates_of)
            .field("failures", &self.failures)
            .field("rules", &self.rules.len())
            .finish_non_exhaustive()
    }
}

/// The seed, and behind a colon the decisions if only some are to be made: `7:Receive#17:short,Send#2:late`. Rates, rules
/// and failures are not told.
impl fmt::Display for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.seed)?;
        for fault in &self.always {
            write!(f, "~{fault}")?;
        }
        let Some(only) = &self.only else { return Ok(()) };
        let mut decisions: Vec<String> = only.iter().map(Decision::to_string).collect();
        decisions.sort();
        write!(f, ":{}", decisions.join(","))
    }
}

/// Of such a text, with the usual rates: `7`, or with the decisions that are to be made alone: `7:Send#2:short,Read#1:late`.
/// Faults that are to happen wherever they can are named behind the seed: `7~short`.
impl FromStr for Chaos {
    type Err = UnknownDecision;

    fn from_str(text: &str) -> Result<Self, UnknownDecision> {
        let (seed, decisions) = match text.split_once(':') {
            Some((seed, decisions)) => (seed, Some(decisions)),
            None => (text, None),
        };
        let unknown = || UnknownDecision(text.to_owned());
        let mut parts = seed.trim().split('~');
        let mut chaos = Self::seed(parts.next().and_then(|seed| seed.parse().ok()).ok_or_else(unknown)?);
        for name in parts {
            let fault = Fault::ALL.iter().find(|fault| fault.name() == name).ok_or_else(unknown)?;
            chaos.rates[*fault as usize] = 1.0;
            chaos.always.push(*fault);
        }
        let Some(decisions) = decisions else { return Ok(chaos) };
        let only = decisions.split(',').filter(|decision| !decision.is_empty()).map(str::parse);
        Ok(chaos.only(only.collect::<Result<Vec<_>, _>>()?))
    }
}
