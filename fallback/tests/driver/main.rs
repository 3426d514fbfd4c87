//! The driver against real sockets, files and processes.

mod address;
mod cancelling;
mod fairness;
mod files;
mod folder;
mod harness;
mod messages;
mod modes;
mod sockets;
mod turning;
