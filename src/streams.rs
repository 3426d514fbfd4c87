//! Streams: what bytes and objects flow through.

mod byte;

pub use byte::{ByteReceiveStream, ByteSendStream, ByteStream};
