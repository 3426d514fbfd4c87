//! The driver against real sockets, files and processes.
#![cfg(target_os = "linux")]

/// Ends a test whose ring the environment leaves out, as it does those of anyio itself.
macro_rules! skip_unless_selected {
    () => {
        if !anyio_driver::testing::is_selected("uring") {
            return;
        }
    };
}

mod buffers;
mod cancelling;
mod closing;
mod files;
mod forking;
mod harness;
mod messages;
mod processes;
mod refusals;
mod sockets;
mod turning;
mod waking;
mod zero_copy;
