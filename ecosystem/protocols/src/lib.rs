//! Protocols of others on anyio's sockets.
//!
//! [`quic`] is what quinn-proto, a state machine, leaves to whoever has sockets and a clock: an example to start from, and
//! a test of those sockets. The tests beside it drive libcurl's event loop and a DNS crate's messages.

pub mod quic;
