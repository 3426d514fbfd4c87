//! An operating system that does all that it may.
//!
//! Give a [`Chaos`] to [`Builder::chaos`](crate::Builder::chaos). What happens depends on its seed, so that it can be had
//! again. With the feature `chaos`.
//!
//! Tests by [`#[anyio::test]`](macro@crate::test) run under it, without what programs notice ([`Chaos::unnoticed`]), when
//! `ANYIO_TEST_CHAOS` in the environment is a seed; a test that cannot says why by `calm = "it counts turns"`. One that
//! fails tells the fewest decisions with which it still does, and the line that repeats it. With a seed in
//! `ANYIO_TEST_SHUFFLE` their tasks are [shuffled](crate::Builder::shuffle); a test that is about their order says why by
//! `ordered = "turns go round"`.

mod each_failure;
pub(super) mod environment;

pub use anyio_chaos::{Action, Chaos, Decision, Fault, Kind, Missed, Report, Submission, UnknownDecision};
pub use anyio_driver::{CallKind, OpKind};
pub use each_failure::fail_each;
