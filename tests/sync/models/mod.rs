//! Random programs of tasks that wait, are cancelled and go away, against simple models of what they wait for: served in
//! the order of arrival, nothing lost, nothing handed out twice, nobody left waiting for what is there.

mod actors;
mod channel;
mod condition;
mod gates;

use anyio::{Backend, Builder, Result, testing::test_backends};
use proptest::{
    strategy::Strategy,
    test_runner::{Config, TestRunner},
};

/// Runs random programs on a back end, if it is to be tested.
fn check<V: std::fmt::Debug>(
    backend: Backend,
    programs: impl Strategy<Value = V>,
    run: impl AsyncFn(&V) -> Result<()>,
) {
    let builder = || Builder::new().backend(backend).ring_entries(8).receive_buffers(1);
    if !test_backends().contains(&backend) {
        return;
    }
    let cases = if backend == Backend::Poll { 1000 } else { 50 };
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&programs, |program| {
        let ended = builder().run(async || run(&program).await);
        ended.expect("the back end can be set up").expect("no error is expected");
        Ok(())
    });
    if let Err(failed) = outcome {
        panic!("{failed}");
    }
}

/// A property as one test for each back end.
macro_rules! property {
    ($name:ident, $programs:expr, $run:expr) => {
        mod $name {
            use super::*;

            #[test]
            fn poll() {
                crate::models::check(anyio::Backend::Poll, $programs, $run);
            }

            #[test]
            fn uring() {
                crate::models::check(anyio::Backend::Uring, $programs, $run);
            }
        }
    };
}

use property;
