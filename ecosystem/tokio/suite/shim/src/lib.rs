//! anyio as it is, except that what `#[anyio::test]` stands on is run as a guest of tokio's.

pub use anyio::*;

/// Means to test programs.
pub mod testing {
    use anyio::{Backend, Builder};
    use anyio_tokio::TokioHost;
    use tokio::{
        runtime::{self, LocalOptions},
        task::unconstrained,
    };

    pub use anyio::testing::*;

    /// See `anyio::testing::run_test`.
    ///
    /// # Panics
    /// As that does.
    #[track_caller]
    pub fn run_test<V: Verdict>(
        builder: Builder,
        backend: Backend,
        expected: Option<&str>,
        test: impl AsyncFnOnce() -> V,
    ) {
        run_test_as_guest(builder, backend, expected, test, TokioHost::beside_tasks, |run| {
            let mut builder = runtime::Builder::new_current_thread();
            let runtime = builder.enable_all().build_local(LocalOptions::default());
            runtime.expect("tokio can be set up").block_on(unconstrained(run));
        });
    }
}
