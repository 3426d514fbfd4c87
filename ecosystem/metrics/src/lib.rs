#![doc = include_str!("../README.md")]

mod run;
#[cfg(feature = "http")]
mod server;

pub use run::RunMetrics;
#[cfg(feature = "http")]
pub use server::record_server;
