//! The driver against real sockets, files and processes.
#![cfg(target_os = "linux")]

mod buffers;
mod cancelling;
mod harness;
mod sockets;
mod waking;
