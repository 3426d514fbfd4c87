//! Streams: what bytes and objects flow through.

mod attributes;
pub mod broadcast;
mod byte;
pub mod memory;
mod object;
pub mod watch;

pub use attributes::{Attribute, AttributeRequest, Attributes, extra};
pub use byte::{ByteReceiveStream, ByteSendStream, ByteStream};
pub use object::{ObjectReceiveStream, ObjectSendStream, ObjectStream};
