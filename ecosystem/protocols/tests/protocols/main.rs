//! What others wrote, driven by anyio.

mod byte_io;
mod curl;
mod dns;
mod h2;
mod pooled_client;
mod quic;
mod resolver;
mod websockets;
