//! The file server among the examples, run as a process and asked over real connections, on both back ends.
//!
//! The client is made of anyio's own streams, on the same back end as the server.

#![allow(clippy::incompatible_msrv, reason = "tests are built with a current compiler")]

mod client;
mod conditions;
mod connections;
mod content;
mod encryption;
mod features;
mod logging;
#[path = "../../examples/file_server/origin.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod origin;
mod output;
#[path = "../../examples/file_server/panics.rs"]
mod panics;
mod paths;
mod ranges;
mod requests;
#[path = "../../examples/file_server/response.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod response;
mod server;
mod shutdown;
#[path = "../../examples/file_server/status.rs"]
#[allow(dead_code, reason = "not all of it is used here")]
mod status;
mod timeouts;
