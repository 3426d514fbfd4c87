//! Streams of objects and of bytes.

mod broadcast;
mod memory;
mod wrappers;
