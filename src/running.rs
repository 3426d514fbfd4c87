//! Runs: chosen, begun, driven to their end and taken down, on one core or several.

mod builder;
#[cfg(feature = "chaos")]
mod chaos;
mod cores;
mod driving;
mod guest;
#[cfg(target_os = "linux")]
mod pinning;
#[cfg(not(target_os = "linux"))]
#[path = "running/no_pinning.rs"]
mod pinning;

pub use builder::{Builder, current_backend, run};
pub use cores::{Core as CpuCore, run_on_cores};
