//! Servers of databases that tests and examples start for themselves, on ports of their own.

mod server;

pub use server::Server;
