//! Running a test on each back end.

use anyio::{Backend, Builder, Result};

/// Runs the test on each back end that this host has.
pub fn on_each_backend(test: impl AsyncFn() -> Result<()>) {
    for backend in [Backend::Uring, Backend::Poll] {
        if backend == Backend::Uring && cfg!(not(target_os = "linux")) {
            continue;
        }
        let ended = Builder::new().backend(backend).run(&test).expect("the back end can be set up");
        ended.unwrap_or_else(|error| panic!("on {backend:?}: {error}"));
    }
}
