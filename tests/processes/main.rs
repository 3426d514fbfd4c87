//! Starting processes, talking to them, and leaving none behind.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]

mod leaving;
mod observing;
mod options;
#[path = "../peers/mod.rs"]
mod peers;
mod run;
mod starting;
mod streams;
mod talking;
mod temporary;
mod waiting;
mod workers;
