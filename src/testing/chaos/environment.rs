//! Tests that the environment wants to have disturbed.

use super::{Chaos, Decision, Fault, Report};
use crate::{
    running::Builder,
    runtime::{PanicPayload, dispose_of, text_of},
    testing::{repeating::command_of_this_test, tally::add_to_tally},
};
use anyio_chaos::shrink;
use anyio_driver::CallKind;
use std::{
    env,
    fmt::Display,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
    str::FromStr,
    time::{Duration, Instant},
};

/// The seed of what happens to the operations of tests, and maybe the decisions to which that is to be restricted.
const CHAOS: &str = "ANYIO_TEST_CHAOS";

/// The seed of the order in which tasks are polled in tests.
const SHUFFLE: &str = "ANYIO_TEST_SHUFFLE";

/// The file to which each test adds how often each fault has happened in it, and whether its tasks were shuffled.
const TALLY: &str = "ANYIO_TEST_CHAOS_TALLY";

/// How often a test is run again to find out with which decisions it fails, at most, and for how long.
const ATTEMPTS: usize = 60;
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test, disturbed as the environment wants it. If it fails that was not `expected` to, finds out with how few
/// decisions it does.
///
/// # Panics
/// As the test does, or with what was found out.
pub(in crate::testing) fn disturb(builder: Builder, expected: bool, test: impl Fn(Builder)) {
    if builder.disturbance().is_any() {
        return test(builder);
    }
    let chaos = wanted::<Chaos>(CHAOS, builder.why_calm());
    let shuffle = wanted::<u64>(SHUFFLE, builder.why_ordered());
    let builder = shuffle.into_iter().fold(builder, Builder::shuffle);
    if let (Some(_), Some(path)) = (shuffle, env::var_os(TALLY)) {
        add_to_tally(TALLY, Path::new(&path), "shuffled 1\n");
    }
    match (chaos, shuffle) {
        (None, None) => test(builder),
        (None, Some(seed)) => run_shuffled(builder, seed, expected, test),
        (Some(chaos), _) => disturb_operations(&builder, chaos.unnoticed(), shuffle, expected, test),
    }
}

fn run_shuffled(builder: Builder, seed: u64, expected: bool, test: impl Fn(Builder)) {
    let Err(payload) = catch_unwind(AssertUnwindSafe(|| test(builder))) else { return };
    if expected {
        resume_unwind(payload);
    }
    let what = text_of(payload);
    panic!(
        "{what}\n  disturbed: tasks were shuffled, nothing else\n  again:     {SHUFFLE}={seed} {}",
        command_of_this_test()
    );
}

fn disturb_operations(
    builder: &Builder,
    chaos: Chaos,
    shuffle: Option<u64>,
    expected: bool,
    test: impl Fn(Builder),
) {
    let attempt =
        |chaos: &Chaos| catch_unwind(AssertUnwindSafe(|| test(builder.clone().chaos(chaos.clone()))));
    let ended = attempt(&chaos);
    if let Some(path) = env::var_os(TALLY) {
        add_to_tally(TALLY, Path::new(&path), &counts(&chaos.report()));
    }
    let Err(payload) = ended else {
        return log::debug!("with {CHAOS}={chaos}: {}", chaos.report());
    };
    if expected {
        resume_unwind(payload);
    }
    let what = text_of(payload);
    let decisions = chaos.report().decisions().to_vec();
    let (begun, mut again) = (Instant::now(), 0);
    let fewest = shrink(&decisions, ATTEMPTS, |some| {
        let fails = begun.elapsed() < PATIENCE && fails(attempt(&chaos.clone().only(some.iter().copied())));
        again += usize::from(fails);
        fails
    });
    let found = match again {
        0 => format!("with all {} decisions of the seed", decisions.len()),
        _ => format!("with {} of {} decisions", fewest.len(), decisions.len()),
    };
    panic!(
        "{what}\n  disturbed: {found}{}\n  all:       {}\n  again:     {}",
        if fewest.is_empty() { ", so it may fail without chaos, too" } else { "" },
        line(&chaos, shuffle),
        line(&named(&chaos, &fewest, again), shuffle),
    );
}

/// A line for each fault that there may be, for each kind of call, and for the operations.
fn counts(report: &Report) -> String {
    let faults = Fault::ALL.iter().filter(|fault| !fault.is_noticed());
    let mut lines = format!("operations {}\n", report.operations());
    lines.extend(faults.map(|&fault| format!("{fault} {}\n", report.count(fault))));
    lines.extend(CallKind::ALL.iter().map(|&kind| format!("call:{kind:?} {}\n", report.calls(kind))));
    lines
}

fn named(chaos: &Chaos, fewest: &[Decision], again: usize) -> Chaos {
    if again == 0 { chaos.clone() } else { chaos.clone().only(fewest.iter().copied()) }
}

fn fails(attempt: Result<(), PanicPayload>) -> bool {
    attempt.map_err(dispose_of).is_err()
}

/// The line that does the same again.
fn line(chaos: &Chaos, shuffle: Option<u64>) -> String {
    let shuffle = shuffle.map_or_else(String::new, |seed| format!("{SHUFFLE}={seed} "));
    format!("{CHAOS}={chaos} {shuffle}{}", command_of_this_test())
}

/// What a variable of the environment says, if it is set, and if there is no reason against it.
///
/// # Panics
/// If it says nothing that makes sense.
fn wanted<T: FromStr<Err: Display>>(variable: &str, against: Option<&str>) -> Option<T> {
    let text = env::var(variable).ok().filter(|text| !text.is_empty())?;
    match (text.parse(), against) {
        (Ok(value), None) => Some(value),
        (Ok(_), Some(reason)) => {
            log::info!("{variable} does not apply to this test, because {reason}");
            None
        }
        (Err(error), _) => panic!("{variable}: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Backend, sleep};
    use anyio_driver::OpKind;

    #[test]
    fn a_failure_tells_the_fewest_decisions_that_cause_it() {
        let builder = Builder::new().backend(Backend::Poll);
        let chaos = Chaos::seed(1).unnoticed();
        let guilty = |some: &[Decision]| {
            some.iter().any(|one| one.kind == OpKind::Synchronize && one.fault == Fault::Interrupted)
        };
        let test = |builder: Builder| {
            let folder = tempfile::tempdir().unwrap();
            builder
                .run(async || {
                    let mut file = crate::fs::File::create(folder.path().join("a")).await?;
                    for _ in 0..50 {
                        file.write_all(b"text".to_vec()).await.0?;
                        file.sync_data().await?;
                    }
                    crate::Ok(())
                })
                .unwrap()
                .unwrap();
            assert!(!guilty(builder_report(&builder).as_slice()), "it was interrupted");
        };
        let text = text_of(
            catch_unwind(AssertUnwindSafe(|| disturb_operations(&builder, chaos, None, false, test)))
                .unwrap_err(),
        );
        assert!(text.contains("it was interrupted") && text.contains("with 1 of "), "{text}");
        assert!(text.contains("ANYIO_TEST_CHAOS=1:Synchronize#"), "{text}");
    }

    fn builder_report(builder: &Builder) -> Vec<Decision> {
        builder.disturbance().chaos.as_ref().unwrap().report().decisions().to_vec()
    }

    #[test]
    fn shuffled_tasks_go_in_another_order_and_the_same_with_the_same_seed() {
        let order = |builder: Builder| {
            let order = std::cell::RefCell::new(Vec::new());
            builder
                .backend(Backend::Poll)
                .run(async || {
                    crate::task_group(async |tg| -> crate::Result<()> {
                        for number in 0..20 {
                            let order = &order;
                            tg.start_soon(async move {
                                order.borrow_mut().push(number);
                                sleep(Duration::ZERO).await?;
                                order.borrow_mut().push(number);
                                crate::Ok(())
                            });
                        }
                        Ok(())
                    })
                    .await
                })
                .unwrap()
                .unwrap();
            order.into_inner()
        };
        let in_turn: Vec<u32> = (0..20).chain(0..20).collect();
        assert_eq!(order(Builder::new()), in_turn);
        let one = order(Builder::new().shuffle(1));
        assert_ne!(one, in_turn);
        assert_eq!(order(Builder::new().shuffle(1)), one);
        assert_ne!(order(Builder::new().shuffle(2)), one);
        let mut sorted = one;
        sorted.sort_unstable();
        assert_eq!(
            sorted,
            (0..20).flat_map(|number| [number, number]).collect::<Vec<_>>(),
            "nobody is left out"
        );
    }

    #[test]
    fn texts_of_the_environment_are_seeds_or_refused() {
        for text in ["7", "7~short~late", "7~short:Send#2:short"] {
            assert_eq!(text.parse::<Chaos>().unwrap().to_string(), text);
        }
        assert!("7~long".parse::<Chaos>().is_err());
        assert!("seven".parse::<Chaos>().is_err());
    }
}
