#![doc = include_str!("../README.md")]
#![warn(missing_debug_implementations)]

#[cfg(any(feature = "postgres", feature = "redis"))]
mod connection;
mod guest;
mod host;
mod island;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
mod timer;

pub use guest::{guest, run};
pub use host::TokioHost;
pub use island::in_tokio;
