//! The file server among the examples, run as a process and asked over real connections, on both back ends.
//!
//! The client is made of anyio's own streams, on the same back end as the server.

mod client;
mod conditions;
mod connections;
mod content;
mod logging;
mod paths;
mod ranges;
mod requests;
mod server;
mod shutdown;
mod timeouts;
