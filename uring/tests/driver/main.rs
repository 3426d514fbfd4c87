//! The driver against real sockets, files and processes.
#![cfg(target_os = "linux")]

mod buffers;
mod cancelling;
mod closing;
mod files;
mod forking;
mod harness;
mod processes;
mod refusals;
mod sockets;
mod turning;
mod waking;
