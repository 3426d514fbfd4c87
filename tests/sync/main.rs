//! Primitives for tasks of one run, on both back ends.

#[path = "../backends/mod.rs"]
mod backends;
mod event;
