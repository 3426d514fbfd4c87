//! Runs as guests of tokio's.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]

mod endings;
mod island;
mod paused_clock;
#[path = "../../../../tests/peers/processor_time.rs"]
mod processor_time;
mod sharing;
mod tokio_in_anyio;
mod using_from_outside;

use anyio::{Builder, testing::test_backends};
use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

/// Does the same on each back end.
fn on_each(test: impl Fn(&Builder)) {
    for backend in test_backends() {
        test(&Builder::new().backend(backend));
    }
}

/// A runtime as an ordinary program of tokio's has it, with tasks that stay on their thread.
fn host() -> tokio::runtime::LocalRuntime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build_local(tokio::runtime::LocalOptions::default()).unwrap()
}

/// Polls a future once.
async fn is_pending(mut future: Pin<&mut impl Future>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}
