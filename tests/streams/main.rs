//! Streams of objects and of bytes.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]

#[path = "../peers/assert_receives.rs"]
mod assert_receives;
mod attributes;
mod boxed;
mod broadcast;
mod closing;
mod conformance;
mod io;
mod itertools;
mod listeners;
mod lockstep;
mod memory;
mod objects;
mod sizes;
mod soon;
mod soon_wakers;
mod split;
mod unreliable;
mod wrappers;
