//! Runs: chosen, begun, driven to their end and taken down.

mod builder;
#[cfg(feature = "chaos")]
mod chaos;
mod driving;
mod guest;

pub use builder::{Builder, current_backend, run};
