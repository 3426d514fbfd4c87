//! Streams of objects and bytes, on both back ends.

#[path = "../backends/mod.rs"]
mod backends;
mod memory;
