//! Random programs whose wakers, values, keys, errors and panics re-enter the runtime while it is at work, or panic there;
//! whose futures are moved, dropped and forgotten half-way, and left to the next run.
//!
//! Each is made from a seed, so that one that fails can be repeated. Whatever users do, nothing aborts or hangs, no value is
//! dropped twice, no byte, item, permit or descriptor is lost, what was cancelled ends, and the runtime panics only with
//! what users have thrown, or where its documentation says so.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]

mod futures;
mod groups;
mod mischief;
mod outgoing;
#[path = "../peers/mod.rs"]
mod peers;
mod program;
#[cfg(not(address_sanitizer))]
mod quarantine;
#[cfg(address_sanitizer)]
#[path = "no_quarantine.rs"]
mod quarantine;
mod system;
mod threads;
mod values;
mod wakers;
mod watchdog;
mod world;

use anyio::{Backend, testing::test_backends};
use std::{env, str::FromStr};

/// How many programs an ordinary run of the tests tries on each back end.
const PROGRAMS: u64 = 60;

/// The environment's value of this name.
fn number<T: FromStr>(name: &str) -> Option<T> {
    let text = env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

fn run_programs(seeds: impl Iterator<Item = u64>, backend: Backend) {
    if !test_backends().contains(&backend) {
        return;
    }
    let mut lock = peers::lock();
    watchdog::begin();
    let mut failed = 0;
    for seed in seeds {
        watchdog::watch(Some((seed, backend)));
        let faults = program::run(seed, backend);
        watchdog::watch(None);
        if !faults.is_empty() {
            eprintln!(
                "seed {seed} on {backend}: {faults:#?}\nrepeat it with: {}",
                watchdog::repeat(seed, backend)
            );
            failed += 1;
        }
    }
    // What was forgotten stays: whoever comes next counts anew.
    *lock = 0;
    assert_eq!(failed, 0, "programs have failed on {backend}; see above");
}

/// The seeds of an ordinary run, or the one that `ANYIO_HOSTILE_SEED` names.
fn seeds() -> impl Iterator<Item = u64> {
    let one = number("ANYIO_HOSTILE_SEED");
    one.map_or(0..PROGRAMS, |seed: u64| seed..seed + 1)
}

/// So many seeds as `ANYIO_HOSTILE_PROGRAMS` says, from `ANYIO_HOSTILE_SEED` on.
fn many_seeds() -> impl Iterator<Item = u64> {
    let first = number("ANYIO_HOSTILE_SEED").unwrap_or(PROGRAMS);
    first..first + number("ANYIO_HOSTILE_PROGRAMS").unwrap_or(10_000)
}

#[test]
fn hostile_programs_on_uring() {
    run_programs(seeds(), Backend::Uring);
}

#[test]
fn hostile_programs_on_poll() {
    run_programs(seeds(), Backend::Poll);
}

#[test]
#[ignore = "takes minutes; ANYIO_HOSTILE_PROGRAMS says how many programs"]
fn many_hostile_programs_on_uring() {
    run_programs(many_seeds(), Backend::Uring);
}

#[test]
#[ignore = "takes minutes; ANYIO_HOSTILE_PROGRAMS says how many programs"]
fn many_hostile_programs_on_poll() {
    run_programs(many_seeds(), Backend::Poll);
}
