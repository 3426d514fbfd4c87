//! What `#[anyio::test]` needs.

#[cfg(feature = "chaos")]
use super::chaos::environment::disturb;
use crate::{
    lowlevel::{Host, RunStatistics},
    running::Builder,
    runtime::{Backend, Deadlock},
};
use anyio_driver::testing::{SELECTION, selects};
use std::{
    env,
    fmt::Debug,
    future::Future,
    io,
    os::fd::OwnedFd,
    pin::{Pin, pin},
};
#[cfg(not(feature = "chaos"))]
use undisturbed::disturb;

/// The back ends to run tests on, as `#[anyio::test]` does: both, unless the environment names some.
///
/// # Panics
/// If the environment names what is no back end.
pub fn test_backends() -> Vec<Backend> {
    let mut backends = vec![Backend::Uring, Backend::Poll];
    backends.retain(|backend| is_selected(*backend));
    backends
}

/// What a test may give.
pub trait Verdict {
    /// Panics if the test has failed.
    fn check(self);
}

impl Verdict for () {
    fn check(self) {}
}

impl<T, E: Debug> Verdict for Result<T, E> {
    fn check(self) {
        if let Err(error) = self {
            panic!("the test gave an error: {error:?}");
        }
    }
}

/// Operations that the rings of tests have to do without, by their kinds or names with blanks between them.
const LACKING: &str = "ANYIO_TEST_LACKING";

/// Has the ring of a test do without what the environment says.
///
/// # Panics
/// If there is no such operation.
fn without_lacking(builder: Builder) -> Builder {
    let names = env::var(LACKING).unwrap_or_default();
    builder.mask_operations(&names.split_whitespace().collect::<Vec<_>>())
}

#[cfg(not(feature = "chaos"))]
mod undisturbed;

/// Runs a test on one back end, and looks whether its run ended clean. With the feature `chaos` it is disturbed if the
/// environment wants it so: see `testing::chaos`.
///
/// # Panics
/// If the test did or gave an error, if it came to a deadlock on a virtual clock, if something was left after it, or if the back end cannot be had on this host and
/// the environment does not leave it out. With `expected`, the text of a test that has to panic, also if the environment
/// leaves the test out.
#[track_caller]
pub fn run_test<V: Verdict>(
    builder: Builder,
    backend: Backend,
    expected: Option<&str>,
    test: impl AsyncFn() -> V,
) {
    if is_to_be_run(backend, expected) {
        let builder = without_lacking(builder);
        disturb(builder, expected.is_some(), |builder| run_selected(builder, backend, &test));
    }
}

/// The same as a guest of a host, which `block_on` drives until the future is ready.
///
/// # Panics
/// As for [`run_test`].
#[track_caller]
pub fn run_test_as_guest<V: Verdict, H: Host>(
    builder: Builder,
    backend: Backend,
    expected: Option<&str>,
    test: impl AsyncFnOnce() -> V,
    host: impl FnOnce(OwnedFd) -> io::Result<H>,
    block_on: impl FnOnce(Pin<&mut dyn Future<Output = ()>>),
) {
    if !is_to_be_run(backend, expected) {
        return;
    }
    let mut ended = None;
    block_on(pin!(async {
        ended = Some(builder.backend(backend).run_as_guest_to_end(host, test, RunStatistics::of).await);
    }));
    judge(backend, ended.expect("the host has driven the run to its end"));
}

/// Whether the environment selects a test. If not, one that has to panic does.
#[track_caller]
fn is_to_be_run(backend: Backend, expected: Option<&str>) -> bool {
    let selected = is_selected(backend);
    if !selected {
        log::info!("{SELECTION} leaves out a test on {backend}");
        if let Some(text) = expected {
            panic!("left out, or else: {text}");
        }
    }
    selected
}

#[track_caller]
fn run_selected<V: Verdict>(builder: Builder, backend: Backend, test: impl AsyncFn() -> V) {
    judge(backend, builder.backend(backend).run_to_end(async || test().await, RunStatistics::of));
}

#[track_caller]
fn judge<V: Verdict>(backend: Backend, ended: io::Result<(V, RunStatistics)>) {
    match ended {
        Ok((verdict, left)) => {
            verdict.check();
            check_clean(left);
        }
        Err(error) if is_deadlock(&error) => panic!("{error}"),
        Err(error) => panic!(
            "this host does not offer the back end {backend:?}, so the test did not run: {error}\n\
             ({SELECTION} names the back ends to test on, as in {SELECTION}=poll)"
        ),
    }
}

fn is_deadlock(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Deadlock>())
}

fn is_selected(backend: Backend) -> bool {
    is_among(backend, env::var(SELECTION).ok().as_deref())
}

fn is_among(backend: Backend, names: Option<&str>) -> bool {
    for name in names.unwrap_or_default().split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if let Err(error) = name.parse::<Backend>() {
            panic!("{SELECTION}: {error}");
        }
    }
    selects(names, &backend.to_string())
}

#[track_caller]
fn check_clean(left: RunStatistics) {
    let clean = RunStatistics {
        tasks: 0,
        waits: 0,
        operations_in_flight: 0,
        orphaned_operations: 0,
        buffers_in_use: 0,
        stale_completions: 0,
        ..left
    };
    assert_eq!(left, clean, "the test passed, but something was left when its run had been torn down");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CancelScope, sleep_forever};
    use std::{future::poll_fn, pin::pin, task::Poll};

    #[test]
    fn the_environment_selects_back_ends() {
        assert!(is_among(Backend::Uring, None) && is_among(Backend::Poll, Some("")));
        assert!(is_among(Backend::Poll, Some("poll")) && !is_among(Backend::Uring, Some("poll")));
        assert!(is_among(Backend::Uring, Some("poll, uring")) && is_among(Backend::Uring, Some("auto")));
    }

    #[test]
    #[should_panic(expected = "no back end is called \"epoll\"")]
    fn an_unknown_name_in_the_environment_is_no_silent_pass() {
        is_among(Backend::Poll, Some("epoll"));
    }

    #[test]
    #[should_panic(expected = "the test gave an error: WouldBlock")]
    fn an_error_fails_the_test() {
        run_selected(Builder::new(), Backend::Poll, async || Err::<(), _>(crate::Error::WouldBlock));
    }

    #[test]
    #[should_panic(expected = "something was left")]
    fn a_forgotten_wait_fails_the_test() {
        run_selected(Builder::new(), Backend::Poll, async || {
            let mut forgotten = Box::pin(sleep_forever());
            assert!(poll_fn(|cx| Poll::Ready(forgotten.as_mut().poll(cx).is_pending())).await);
            std::mem::forget(forgotten);
        });
    }

    #[test]
    fn what_is_dropped_half_way_is_not_left() {
        run_selected(Builder::new(), Backend::Poll, async || {
            let scope = CancelScope::new();
            let mut dropped = pin!(scope.run(async || Err::<(), _>(sleep_forever().await)));
            assert!(poll_fn(|cx| Poll::Ready(dropped.as_mut().poll(cx).is_pending())).await);
        });
    }
}
