//! Streams of objects and of bytes.

mod broadcast;
mod conformance;
mod io;
mod lockstep;
mod memory;
mod wrappers;
