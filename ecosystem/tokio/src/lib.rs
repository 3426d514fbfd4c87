#![doc = include_str!("../README.md")]
#![warn(missing_debug_implementations)]

mod guest;
mod host;
mod island;

pub use guest::{guest, run};
pub use host::TokioHost;
pub use island::in_tokio;
