//! Streams of objects and of bytes.

mod attributes;
mod boxed;
mod broadcast;
mod conformance;
mod io;
mod itertools;
mod listeners;
mod lockstep;
mod memory;
mod objects;
mod split;
mod unreliable;
mod wrappers;
