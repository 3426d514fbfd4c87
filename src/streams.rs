//! Streams of objects and of bytes.

pub mod memory;
