//! What is left when operations are dropped, runs end and children are gone: nothing.
//!
//! The tests count the descriptors and the children of this process, so each holds `peers::lock` while it runs.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]

mod broken_off_handshakes;
mod closing;
mod dropped_futures;
mod many_processes;
mod no_room;
mod outliving;
mod passed_descriptors;
#[path = "../peers/mod.rs"]
mod peers;
mod refused_calls;
mod soak;
mod teardown;
