//! Everything that says how it bears being cancelled, cancelled at each of its checkpoints.

#[macro_use]
mod sentences;

mod byte_streams;
mod completeness;
mod files;
mod folder;
mod mechanism;
mod names;
mod sockets;
mod structure;
mod sync;
mod temporary;
mod threads;
mod tls;
