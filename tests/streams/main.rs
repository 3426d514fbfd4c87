//! Streams of objects and of bytes.

mod memory;
