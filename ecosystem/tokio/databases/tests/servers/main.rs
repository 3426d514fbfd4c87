//! Clients that are made for tokio, against real servers: on streams of anyio, and unwrapped as guests of tokio's.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]

mod http;
mod postgres;
mod redis;
mod sqlx;

use anyio::{Builder, testing::test_backends};

/// Does the same on each back end.
fn on_each(test: impl Fn(&Builder)) {
    for backend in test_backends() {
        test(&Builder::new().backend(backend));
    }
}
