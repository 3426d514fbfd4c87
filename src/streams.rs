//! Streams of objects and of bytes.

mod byte;
pub mod memory;

pub use byte::{ByteReceiveStream, ByteSendStream, ByteStream};
