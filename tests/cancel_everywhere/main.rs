//! Everything that says how it bears being cancelled, cancelled at each of its checkpoints.

#[macro_use]
mod sentences;

#[path = "../peers/busy_host.rs"]
mod busy_host;
mod byte_streams;
mod completeness;
mod cores;
mod example;
mod files;
mod guests;
mod known_faults;
mod mechanism;
mod names;
mod scratch;
mod sockets;
mod structure;
mod sync;
mod temporary;
mod threads;
mod tls;
mod transfers;

include!("../peers/file_server_modules.rs");
