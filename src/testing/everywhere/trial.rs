//! All runs of a body.

use super::{
    Everywhere, EverywhereReport,
    case::{CASE_VARIABLE, Case, Manner, Moment, Reach, Step},
    course::{Course, Ended, limit_of},
    leftovers::{InHand, Open},
    sampling::Picker,
    watcher::{Aim, Point, Reached, Watcher},
};
use crate::{
    error::CancelAware,
    runtime::{Core, PanicPayload, WaitReason, text_of},
    scope::{CancelScope, shield},
    testing::{repeating::command_of_this_test, tally::add_to_tally},
};
use std::{
    cell::RefCell,
    env,
    fmt::Debug,
    future::{Future, poll_fn},
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    pin::pin,
    task::Poll,
    thread,
    time::{Duration, Instant},
};

/// The file to which each report is added.
const TALLY: &str = "ANYIO_TEST_EVERYWHERE_TALLY";

/// How often a run is tried again that has not come to its checkpoint.
const ATTEMPTS: usize = 4;

/// How often a run is repeated that seems to have left descriptors: only if there are more each time it has, and not others in this
/// process.
const REPETITIONS: usize = 6;

/// How long it may take until others in this process have closed what they have opened.
const PATIENCE: Duration = Duration::from_secs(20);

/// A checkpoint as the first run has found it.
struct Surveyed {
    point: Point,
    reason: Option<WaitReason>,
    text: String,
}

/// What a run of the body has come to, if nothing was wrong.
struct Passed {
    /// How many of the steps have happened.
    steps: usize,
    /// How often the body was left waiting.
    waited: usize,
    reached: Vec<Reached>,
}

pub(super) struct Trial<Setup, Body, Check, T, E, Via> {
    options: Everywhere,
    setup: Setup,
    body: Body,
    check: Check,
    /// The descriptors that there were after a run and not before.
    suspects: RefCell<Vec<(Case, Vec<Open>)>>,
    types: Types<T, E, Via>,
}

/// What the body gives, and by which way its errors tell cancellations.
type Types<T, E, Via> = PhantomData<fn() -> (T, E, Via)>;

impl<S, T, E, Via, Setup, Body, Check> Trial<Setup, Body, Check, T, E, Via>
where
    E: CancelAware<Via> + Debug,
    Setup: AsyncFn() -> S,
    Body: AsyncFn(&mut S) -> Result<T, E>,
    Check: AsyncFn(S, Option<T>),
{
    pub(super) fn new(options: Everywhere, setup: Setup, body: Body, check: Check) -> Self {
        Self { options, setup, body, check, suspects: RefCell::default(), types: PhantomData }
    }

    /// Goes through all runs, or does the one that the environment names.
    ///
    /// # Panics
    /// With the first failure.
    pub(super) async fn go_through(&self) -> EverywhereReport {
        let mut report = EverywhereReport::default();
        // What is found out or made only once is not a part of what comes after it.
        self.pass(None, &[]).await;
        let first = self.pass(None, &[]).await;
        report.runs += 2;
        let survey: Vec<Surveyed> = first.reached.iter().map(Surveyed::of).collect();
        let drops = self.options.manner == Manner::Drop;
        report.checkpoints = if drops { first.waited } else { survey.len() };
        assert!(
            drops || report.checkpoints > 0,
            "the body has no checkpoints at which it could be cut short, so this tests nothing"
        );
        let wanted = Case::wanted();
        if let Some(case) = &wanted {
            if case.manner == self.options.manner {
                self.run(case, &survey, &mut report).await;
            }
        } else if drops {
            self.drop_each_time(&mut report).await;
        } else {
            self.cancel_at_each(&survey, &mut report).await;
        }
        self.look_at_suspects(&survey).await;
        log::info!("{report}");
        if let Some(path) = env::var_os(TALLY) {
            add_to_tally(TALLY, Path::new(&path), &report.counts(self.options.manner));
        }
        report
    }

    async fn cancel_at_each(&self, survey: &[Surveyed], report: &mut EverywhereReport) {
        let of_children = self.options.children && self.options.manner == Manner::Cancel;
        for (place, surveyed) in survey.iter().enumerate() {
            let number = place + 1;
            let moments: &[Moment] = match surveyed.reason.is_some() {
                true => &[Moment::Before, Moment::InFlight, Moment::Done],
                false => &[Moment::Before],
            };
            let mut survived = false;
            for &moment in moments {
                let done = self.run(&self.case([Step::whole(number, moment)]), survey, report).await;
                match moment {
                    Moment::Before => survived = done,
                    Moment::InFlight => report.in_flight += usize::from(done),
                    Moment::Done => report.completed += usize::from(done),
                }
                if of_children && surveyed.point.is_of_child() {
                    let case = self.case([Step::child(number, moment)]);
                    report.of_children += usize::from(self.run(&case, survey, report).await);
                }
            }
            report.survived += usize::from(survived);
        }
        if self.options.manner == Manner::Cancel {
            self.cancel_pairs(survey, report).await;
        }
    }

    async fn cancel_pairs(&self, survey: &[Surveyed], report: &mut EverywhereReport) {
        let numbered = || survey.iter().zip(1..);
        let children: Vec<usize> = numbered()
            .filter(|(surveyed, _)| surveyed.point.is_of_child())
            .map(|(_, number)| number)
            .collect();
        let mut picker = Picker::new(self.options.seed);
        for _ in 0..self.options.pairs {
            let Some(first) = picker.pick(&children) else { return };
            let later: Vec<usize> = (first + 1..=survey.len()).collect();
            let Some(second) = picker.pick(&later) else { continue };
            let moments = |number: usize| match survey[number - 1].reason.is_some() {
                true => &[Moment::Before, Moment::InFlight, Moment::Done][..],
                false => &[Moment::Before][..],
            };
            let (Some(one), Some(other)) = (picker.pick(moments(first)), picker.pick(moments(second))) else {
                return;
            };
            let case = self.case([Step::child(first, one), Step::whole(second, other)]);
            report.of_pairs += usize::from(self.run(&case, survey, report).await);
        }
    }

    /// Drops the body when it waits for the first time, for the second time and so on, until it ends before.
    async fn drop_each_time(&self, report: &mut EverywhereReport) {
        for number in 1.. {
            let mut dropped = false;
            for moment in [Moment::Before, Moment::InFlight, Moment::Done] {
                let done = self.run(&self.case([Step::whole(number, moment)]), &[], report).await;
                dropped |= done;
                match moment {
                    Moment::Before => {}
                    Moment::InFlight => report.in_flight += usize::from(done),
                    Moment::Done => report.completed += usize::from(done),
                }
            }
            if !dropped {
                // How often it waits may depend on how fast others are.
                report.checkpoints = report.survived;
                return;
            }
            report.survived += 1;
        }
    }

    fn case<const N: usize>(&self, steps: [Step; N]) -> Case {
        Case { manner: self.options.manner, steps: steps.into() }
    }

    /// Does a run, again if it does not come to its checkpoint. Tells whether something was done to it.
    ///
    /// # Panics
    /// With what is wrong.
    async fn run(&self, case: &Case, survey: &[Surveyed], report: &mut EverywhereReport) -> bool {
        let is_certain = self.options.manner != Manner::Drop
            && matches!(&*case.steps, [Step { moment: Moment::Before, reach: Reach::Whole, .. }]);
        let mut last = None;
        for _ in 0..if is_certain { ATTEMPTS } else { 1 } {
            report.runs += 1;
            let passed = self.pass(Some(case), survey).await;
            if passed.steps > 0 {
                return true;
            }
            last = Some(passed);
        }
        if let Some(passed) = last.filter(|_| is_certain) {
            let text = difference(case, survey, &passed.reached);
            let is_disturbed = Core::with(|core| core.driver().is_disturbed() || core.tasks().are_shuffled());
            let may_differ = self.options.differences || is_disturbed;
            assert!(may_differ, "{text}\nagain: {}", again(case));
            report.differences.get_or_insert(text);
        }
        false
    }

    /// Looks whether runs have left descriptors.
    ///
    /// # Panics
    /// If one of them leaves more each time that it is repeated.
    async fn look_at_suspects(&self, survey: &[Surveyed]) {
        for (case, opened) in self.suspects.take() {
            if !opened.iter().any(Open::is_open) {
                continue;
            }
            let before = InHand::now();
            for _ in 0..REPETITIONS {
                self.pass(Some(&case), survey).await;
            }
            let mut left = before.opened_since();
            // What others of this process have opened meanwhile they close some time.
            let limit = Instant::now() + PATIENCE;
            while left.len() >= REPETITIONS && Instant::now() < limit {
                thread::sleep(Duration::from_millis(1));
                left.retain(Open::is_open);
            }
            if left.len() >= REPETITIONS {
                let left: Vec<String> = left.iter().map(Open::to_string).collect();
                fail(&case, survey, None, &format!("each time a descriptor is left: {}", left.join(", ")));
            }
        }
    }

    /// Has the body run once, and looks at what is left.
    ///
    /// # Panics
    /// With what is wrong.
    async fn pass(&self, case: Option<&Case>, survey: &[Surveyed]) -> Passed {
        let before = InHand::now();
        let mut state = (self.setup)().await;
        let scope = CancelScope::new();
        scope.observe();
        let steps = case.map_or(&[][..], |case| &case.steps);
        let drops = self.options.manner == Manner::Drop;
        let aims = match drops {
            true => Vec::new(),
            false => steps.iter().filter_map(|&step| aim(step, survey)).collect(),
        };
        let watcher = Watcher::new(self.options.manner, scope.clone(), aims, case.is_none() || drops);
        let (ended, waited) = {
            let run = scope.run(async || (self.body)(&mut state).await);
            let mut course = pin!(Course::new(run, &scope, watcher.clone(), self.options.limit));
            if let Some(&step) = steps.first().filter(|_| drops) {
                course.drop_at(step);
            }
            let ended = course.as_mut().await;
            (ended, course.waited())
        };
        let fail = |what: &str| -> ! {
            match case {
                Some(case) => fail(case, survey, watcher.show_last(), what),
                None => panic!("the body fails also when it is left alone: {what}"),
            }
        };
        let dropped = matches!(ended, Ended::Dropped);
        let value = match ended {
            Ended::Gave(Ok(value)) => value,
            Ended::Gave(Err(error)) if self.is_excused(case, &error) => None,
            Ended::Gave(Err(error)) => fail(&format!("the body gives an error: {error:?}")),
            Ended::Dropped => None,
            Ended::Panicked(payload) => fail(&format!("the body panics: {}", text_of(payload))),
            Ended::Hung => fail("the body does not end; it was dropped"),
        };
        // The work on the state is over.
        match caught(shield((self.check)(state, value)), self.options.limit).await {
            Ok(Some(())) => {}
            Ok(None) => fail("the check does not end; it was dropped"),
            Err(payload) => fail(&format!("the check fails: {}", text_of(payload))),
        }
        if let Err(left) = before.settle(self.options.limit).await {
            fail(&left);
        }
        let opened = before.opened_since();
        if let Some(case) = case.filter(|_| !opened.is_empty()) {
            self.suspects.borrow_mut().push((case.clone(), opened));
        }
        let steps = if drops { usize::from(dropped) } else { watcher.done() };
        Passed { steps, waited, reached: watcher.take_reached() }
    }

    /// Whether the body may give this error: one that is no cancellation if that is allowed; and if one child was
    /// cancelled, its own cancellation, which may have been waited for.
    fn is_excused(&self, case: Option<&Case>, error: &E) -> bool {
        let Some(case) = case else { return false };
        if error.is_cancelled() {
            case.steps.iter().any(|step| step.reach == Reach::Child)
        } else {
            self.options.errors
        }
    }
}

impl Surveyed {
    fn of(reached: &Reached) -> Self {
        Self { point: reached.point.clone(), reason: reached.reason, text: reached.to_string() }
    }
}

fn aim(step: Step, survey: &[Surveyed]) -> Option<Aim> {
    let surveyed = survey.get(step.point - 1)?;
    Some(Aim { step, point: surveyed.point.clone(), reason: surveyed.reason })
}

/// Where a run that has not come to its checkpoint went another way than the first.
fn difference(case: &Case, survey: &[Surveyed], reached: &[Reached]) -> String {
    let missed = survey
        .iter()
        .zip(1..)
        .find(|(surveyed, _)| !reached.iter().any(|reached| reached.point == surveyed.point));
    let mut text = format!(
        "the body does not come to the same checkpoints in each run: the first has {}, that of {case} {}",
        survey.len(),
        reached.len()
    );
    if let Some((surveyed, number)) = missed {
        text += &format!(", where the first that is missing is number {number}:\n{}", surveyed.text);
    }
    text
}

fn fail(case: &Case, survey: &[Surveyed], place: Option<String>, what: &str) -> ! {
    let count = match survey.len() {
        0 => String::new(),
        count => format!(" of {count}"),
    };
    let cut: Vec<String> = case.steps.iter().map(|step| describe_step(case.manner, *step, &count)).collect();
    let place = place.map_or_else(String::new, |place| format!("{place}\n"));
    panic!("{}: {what}\n{place}  again:     {}", cut.join(", then "), again(case));
}

fn describe_step(manner: Manner, step: Step, count: &str) -> String {
    let what = match (manner, step.reach) {
        (Manner::Drop, _) => "the body dropped",
        (Manner::Timeout, _) => "the body timed out",
        (Manner::Cancel, Reach::Whole) => "the body cancelled",
        (Manner::Cancel, Reach::Child) => "a child cancelled",
    };
    let moment = match (manner, step.moment) {
        (Manner::Drop, Moment::Before) => "before the kernel had heard of it",
        (_, Moment::Before) => "before anything was begun",
        (_, Moment::InFlight) => "with what it waits for under way",
        (_, Moment::Done) => "when that had come",
    };
    let place = if manner == Manner::Drop { "wait" } else { "checkpoint" };
    format!("{what} at {place} {}{count}, {moment}", step.point)
}

/// The line that does this run again, alone.
fn again(case: &Case) -> String {
    let backend = Core::with(|core| core.driver().backend());
    format!("{CASE_VARIABLE}={case} {}    (on {backend})", command_of_this_test())
}

/// Awaits a future, also if it panics. `None` if it does not end within the limit.
async fn caught<F: Future>(future: F, limit: Duration) -> Result<Option<F::Output>, PanicPayload> {
    let mut future = pin!(future);
    let mut limit = pin!(limit_of(limit));
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(Poll::Ready(output)) => Poll::Ready(Ok(Some(output))),
        Ok(Poll::Pending) => limit.as_mut().poll(cx).map(|_| Ok(None)),
        Err(payload) => Poll::Ready(Err(payload)),
    })
    .await
}
