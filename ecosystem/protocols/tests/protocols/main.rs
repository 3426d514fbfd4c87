//! What others wrote, driven by anyio.

mod curl;
mod dns;
mod quic;
