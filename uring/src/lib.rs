//! The driver contract kept on one io_uring.
//!
//! [`UringDriver`] turns each operation into a submission entry, hands entries to the kernel when it is turned,
//! and reports what the kernel answered. It needs Linux 5.15 or later and makes use of what newer kernels add;
//! [`UringDriver::report`] lists what it found. Where the kernel or a sandbox refuses a ring,
//! [`SetupError`] says why.
//!
//! On other systems than Linux this crate is empty.
#![cfg(target_os = "linux")]

/// Ends a test whose ring the environment leaves out, as it does those of anyio itself.
#[cfg(test)]
macro_rules! skip_unless_selected {
    () => {
        if !anyio_driver::testing::is_selected("uring") {
            return;
        }
    };
}

mod at_once;
mod buffer_ring;
mod driver;
mod entry;
mod event_source;
mod fork;
mod kind;
mod operations;
mod options;
mod probe;
mod queue;
mod report;
mod retries;
mod ring;
mod setup;
mod setup_error;
mod statistics;
#[cfg(test)]
mod tests;
mod tracker;
mod turn;
mod unpark;
mod zero_copy;

pub use driver::UringDriver;
pub use options::Options;
pub use report::{Finding, Part, Report};
pub use setup_error::{SetupCause, SetupError};
pub use statistics::Statistics;
pub use zero_copy::ZeroCopySends;
