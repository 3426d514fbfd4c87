//! Running a test on each back end.

use anyio::{Backend, Builder, Result, testing::run_test};

/// Runs the test on each back end that this host has and the environment does not leave out.
pub(crate) fn on_each_backend(test: impl AsyncFn() -> Result<()>) {
    for backend in [Backend::Uring, Backend::Poll] {
        if backend == Backend::Uring && cfg!(not(target_os = "linux")) {
            continue;
        }
        run_test(Builder::new(), backend, &test);
    }
}
