//! Running a program once for each point at which it may be cut short.

mod case;
mod course;
mod leftovers;
mod location;
mod report;
mod sampling;
mod trial;
mod watcher;

pub use report::Everywhere as EverywhereReport;

use crate::error::CancelAware;
use case::Manner;
use std::{fmt::Debug, time::Duration};
use trial::Trial;

/// How [`cancel_everywhere`] goes about it.
#[derive(Debug, Clone)]
#[must_use = "options do nothing by themselves"]
pub struct Everywhere {
    manner: Manner,
    children: bool,
    pairs: usize,
    seed: u64,
    limit: Duration,
    errors: bool,
    differences: bool,
}

impl Everywhere {
    const fn with(manner: Manner) -> Self {
        Self {
            manner,
            children: true,
            pairs: 8,
            seed: 1,
            limit: Duration::from_secs(20),
            errors: false,
            differences: false,
        }
    }

    /// The body's scope is cancelled at each checkpoint.
    pub const fn cancel() -> Self {
        Self::with(Manner::Cancel)
    }

    /// The body's future is dropped each time that it waits: right then, when the kernel knows what it waits for, and when
    /// that has come.
    pub const fn drop() -> Self {
        Self::with(Manner::Drop)
    }

    /// The deadline of the body's scope passes at each checkpoint. On a [virtual clock](crate::Clock::Virtual) nothing but
    /// this deadline depends on the time that the test takes.
    pub const fn timeout() -> Self {
        Self::with(Manner::Timeout)
    }

    /// Whether checkpoints of children are also tried with a cancellation of that child alone. They are by default. If others then
    /// wait in vain for what the child was to do, everything is cancelled some milliseconds later. Applies to
    /// [`cancel`](Self::cancel).
    pub const fn children(mut self, on: bool) -> Self {
        self.children = on;
        self
    }

    /// How many pairs of a cancellation of one child and a later one of the whole body are tried, which are picked by `seed`. 8 by
    /// default, with the seed 1. Applies to [`cancel`](Self::cancel).
    pub const fn pairs(mut self, count: usize, seed: u64) -> Self {
        self.pairs = count;
        self.seed = seed;
        self
    }

    /// How long one run of the body may take, in real time; one that takes longer has failed. 20 s by default. On a [virtual
    /// clock](crate::Clock::Virtual) a run that waits for nothing that will come has failed at once.
    pub const fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Lets the body end with an error that is no cancellation when it has been cut short. Without this that is a failure.
    pub const fn allow_errors(mut self) -> Self {
        self.errors = true;
        self
    }

    /// Accepts that the body does not come to the same checkpoints in each run, as when it depends on the time that others take. The
    /// report tells, in place of a failure, what was not tried for that. In a run with chaos (feature `chaos`), or with its tasks shuffled, this is
    /// always so.
    pub const fn allow_differences(mut self) -> Self {
        self.differences = true;
        self
    }
}

/// Runs a body once for each of its checkpoints, cut short exactly there, and looks whether everything is as it should be.
///
/// The first two runs are left alone; the second counts the checkpoints of the body and of the tasks that it starts. Each of the others is
/// cancelled at one of them: before the operation is begun; if it waits there, while what it waits for is under way; and when that
/// has come, but the task has not been polled. Then those that are children are cancelled alone, and some pairs are tried.
///
/// For each run `setup` makes what the body works on, which the body borrows, and `check` gets it afterwards under a
/// [`shield`](crate::shield), with the value that the body gave, if it did: it panics if something is not right.
/// Besides, in every run:
///
/// - the body ends in time, without a panic, and with a value or a cancellation, which its scope absorbs;
/// - no task, wait, operation, buffer or descriptor is left when `check` has ended.
///
/// ```
/// use anyio::{streams::memory, testing::{Everywhere, cancel_everywhere}};
///
/// # anyio::run(async || {
/// let report = cancel_everywhere(
///     Everywhere::cancel(),
///     async || memory::channel::<u32>(1),
///     async |(sender, receiver)| {
///         sender.send(1).await?;
///         anyio::Ok(receiver.receive().await?)
///     },
///     async |(sender, receiver), received| {
///         // An item is lost to nobody: it is on its way, or was received, or was not sent.
///         drop(sender);
///         let left = receiver.receive().await.unwrap();
///         assert!(received.flatten().is_none() || left.is_none());
///     },
/// )
/// .await;
/// assert_eq!(report.to_string().split(" (").next(), Some("2 of 2 checkpoints survive"));
/// # });
/// ```
///
/// `#[anyio::test(cancel = "everywhere")]` does this with a test that is an `async fn` without parameters; so do `drop` and `timeout`.
///
/// A body has to come to the same checkpoints each time: those of a task are counted by themselves, so in which order tasks get their
/// turns does not matter. A checkpoint is where anyio looks whether the scope is cancelled, not under a shield; what waits
/// without that, such as a write to a file that has begun, is none.
///
/// # Panics
/// With the first failure. The text says at which checkpoint, where in the source that is (if the program has debug information),
/// in which task, what that waited for, in which scopes, and with which environment the same run can be had again, alone.
///
/// If the body has no checkpoints, unless it is dropped, or others in each run. Outside of a run.
///
/// # Cancel safety
/// What the current run of the body has in hand is dropped.
pub async fn cancel_everywhere<S, T, E, Via>(
    options: Everywhere,
    setup: impl AsyncFn() -> S,
    body: impl AsyncFn(&mut S) -> Result<T, E>,
    check: impl AsyncFn(S, Option<T>),
) -> EverywhereReport
where
    E: CancelAware<Via> + Debug,
{
    Trial::new(options, setup, body, check).go_through().await
}
