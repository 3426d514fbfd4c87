//! Streams of objects and of bytes.

mod broadcast;
mod io;
mod memory;
mod wrappers;
