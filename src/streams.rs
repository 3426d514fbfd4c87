//! Streams: what bytes and objects flow through.

mod byte;
pub mod memory;

pub use byte::{ByteReceiveStream, ByteSendStream, ByteStream};
